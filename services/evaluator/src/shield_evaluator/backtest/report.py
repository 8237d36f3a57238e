"""From replayed steps to findings: closings, outages, and the report around them.

A step covers the time up to the next one. Everything is counted while the steps go by, so that
the memory does not grow with the range.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_evaluator.backtest.findings import (
    Closing,
    Exposure,
    Outage,
    Report,
    TierFindings,
)
from shield_evaluator.backtest.gaps import SignalLog
from shield_evaluator.backtest.replay import instant
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.plan import Unit
from shield_evaluator.core.room import room_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shield_evaluator.backtest.replay import Step
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.state import Instant
    from shield_evaluator.prometheus.range_query import Grid

FULL: Final = 1.0  # of the quota: etcd raises NOSPACE and refuses writes
# Users who are let in and refused again within ten minutes call it flapping.
FLAP_MS: Final = 600_000

# `decide` is asked for its words; the envelope around them is thrown away.
_ENVELOPE: Final = Envelope(cluster="backtest", epoch=0, sequence=0, ttl_ms=1, interval_ms=1)


def build(plan: Plan, steps: Iterable[Step], grid: Grid, *, flap_ms: int = FLAP_MS) -> Report:
    """Go through all steps and report.

    Args:
        plan: the plan that was replayed.
        steps: of `replay.replay`.
        grid: the grid that they are on.
        flap_ms: a closing that begins within this time of the last one's end is a flap.
    """
    tiers = {tier: _TierLog(plan, tier, flap_ms) for tier in plan.tiers}
    refused = _RefusedRuns(plan, grid.step_ms)
    outages = _OutageLog(plan, tiers)
    signals = [SignalLog(plan, name, grid.step_ms) for name in plan.signals]
    for step in steps:
        for tier in tiers.values():
            tier.see(step)
        refused.see(step)
        outages.see(step)
        for signal in signals:
            signal.see(step)
    end_ms = grid.end_ms
    span = max(end_ms - grid.start_ms, 1)
    found = outages.finish(end_ms)
    reports = {}
    for name, tier in tiers.items():
        closings = tier.finish(end_ms)
        closed = sum(closing.seconds for closing in closings)
        exposures = [exposures[name] for _, exposures in found]
        reports[name] = TierFindings(
            closings=closings,
            closed_seconds=closed,
            closed_share=1000 * closed / span,
            flaps=sum(closing.flap for closing in closings),
            exposures=exposures,
            outages_missed=sum(exposure.missed for exposure in exposures),
            open_at_quota_seconds=sum(exposure.open_seconds for exposure in exposures),
            runs_denied=refused.denied if name == plan.default_tier else None,
            runs_paced=refused.paced if name == plan.default_tier else None,
        )
    gaps = [gap for signal in signals for gap in signal.finish(end_ms)]
    return Report(
        start=instant(grid.start_ms).utc,
        end=instant(end_ms).utc,
        step_seconds=grid.step_ms / 1000,
        steps=grid.steps,
        signals={signal.name: signal.report() for signal in signals},
        tiers=reports,
        outages=[outage for outage, _ in found],
        gaps=sorted(gaps, key=lambda gap: gap.start),
        gaps_left_out=sum(signal.left_out for signal in signals),
    )


class _TierLog:
    """One tier's closings."""

    def __init__(self, plan: Plan, tier: str, flap_ms: int) -> None:
        self._plan = plan
        self._tier = tier
        self._flap_ms = flap_ms
        self._closings: list[Closing] = []
        self._opened_ms: int | None = None
        self.closed_ms: int | None = None  # since when it denies; None while it admits
        self._reason = ""
        self._signal: str | None = None
        self._flap = False
        self._peak: tuple[float, float, str, str | None] | None = None

    def see(self, step: Step) -> None:
        allow = step.state.bits[self._tier].allow
        if allow is (self.closed_ms is not None):
            if allow:
                self._open(step.now.ms)
            else:
                self._close(step)
        if not allow:
            self._look_for_peak(step)

    def finish(self, end_ms: int) -> list[Closing]:
        if self.closed_ms is not None:
            self._closings.append(self._closing(end_ms, lasts=True))
        return self._closings

    def _close(self, step: Step) -> None:
        now = step.now
        entry = decide(
            self._plan, step.state, step.observations, now=now, envelope=_ENVELOPE
        ).tiers[self._tier]
        self._reason, self._signal = entry.reason, entry.signal
        self._flap = self._opened_ms is not None and now.ms - self._opened_ms < self._flap_ms
        self.closed_ms, self._peak = now.ms, None

    def _open(self, now_ms: int) -> None:
        self._closings.append(self._closing(now_ms, lasts=False))
        self.closed_ms, self._opened_ms = None, now_ms

    def _closing(self, end_ms: int, *, lasts: bool) -> Closing:
        start_ms = end_ms if self.closed_ms is None else self.closed_ms
        _, peak, signal, member = self._peak or (None, None, None, None)
        return Closing(
            start=instant(start_ms).utc,
            end=None if lasts else instant(end_ms).utc,
            seconds=(end_ms - start_ms) / 1000,
            reason=self._reason,
            signal=self._signal,
            peak=peak,
            peak_signal=signal,
            peak_member=member,
            flap=self._flap,
        )

    def _look_for_peak(self, step: Step) -> None:
        for name, threshold in self._plan.tiers[self._tier].items():
            seen = step.observations[name]
            if seen.value is None:
                continue
            nearness = seen.value / threshold.set
            if self._peak is None or nearness > self._peak[0]:
                self._peak = (nearness, seen.value, name, seen.member)


class _RefusedRuns:
    """Runs that were created while the tier would have denied, or faster than it hands out room.

    The past does not change: what would have been refused was created and goes on writing, so that
    both counts are the most that it could have been.

    Attributes:
        denied: while it would have denied; None until a step says how many were created.
        paced: faster than room would have been handed out; None without room.
    """

    def __init__(self, plan: Plan, step_ms: int) -> None:
        self._plan = plan
        self._step_ms = step_ms
        self.denied: int | None = None
        self.paced: int | None = None

    def see(self, step: Step) -> None:
        """Count one step; they come in order of time."""
        if step.created is None:
            return
        tier = self._plan.default_tier
        allow = step.state.bits[tier].allow
        self.denied = (self.denied or 0) + (0 if allow else step.created)
        room = room_of(self._plan, step.state.room, tier)
        if room is None:
            return
        # What was created in this step has been taken from the room already.
        before = room.runs + step.created
        share = max(1.0, before * min(1.0, self._step_ms / room.spend_ms))
        self.paced = (self.paced or 0) + (max(0, step.created - int(share)) if allow else 0)


class _OutageLog:
    """Stretches at the quota, and how each tier met them."""

    def __init__(self, plan: Plan, tiers: dict[str, _TierLog]) -> None:
        self._tiers = tiers
        self._known = {
            name: 0.0 for name, signal in plan.signals.items() if signal.unit is Unit.RATIO
        }
        self._found: list[tuple[Outage, dict[str, Exposure]]] = []
        self._began: tuple[Instant, str, str | None, bool] | None = None
        self._peak = 0.0
        self._leads: dict[str, int | None] = {}
        self._open_ms: dict[str, int] = {}
        self._last_ms: int | None = None
        self._admitting: list[str] = []

    def see(self, step: Step) -> None:
        full: tuple[str, Observation] | None = None
        for name in self._known:
            seen = step.observations[name]
            value = seen.value
            # A partial observation is a lower bound: it cannot say that no member is full.
            if value is not None and (value >= FULL or not seen.partial):
                self._known[name] = value
            if self._known[name] >= FULL:
                full = full or (name, seen)
                self._peak = max(self._peak, self._known[name])
        if self._began is not None:
            self._count_open(step)
            if full is None:
                self._end(step.now.ms, lasts=False)
        elif full is not None:
            self._begin(step, *full)
        self._last_ms = step.now.ms
        if self._began is not None:
            self._admitting = [n for n, tier in self._tiers.items() if tier.closed_ms is None]

    def finish(self, end_ms: int) -> list[tuple[Outage, dict[str, Exposure]]]:
        if self._began is not None:
            self._end(end_ms, lasts=True)
        return self._found

    def _begin(self, step: Step, name: str, seen: Observation) -> None:
        now = step.now
        self._began = (now, name, seen.member, self._last_ms is None)
        self._peak = max(self._known.values())
        self._leads = {
            tier: None if log.closed_ms is None else now.ms - log.closed_ms
            for tier, log in self._tiers.items()
        }
        self._open_ms = dict.fromkeys(self._tiers, 0)

    def _count_open(self, step: Step) -> None:
        passed = step.now.ms - (step.now.ms if self._last_ms is None else self._last_ms)
        for tier in self._admitting:
            self._open_ms[tier] += passed

    def _end(self, end_ms: int, *, lasts: bool) -> None:
        if self._began is None:
            return
        start, signal, member, began_before = self._began
        outage = Outage(
            start=start.utc,
            end=None if lasts else instant(end_ms).utc,
            seconds=(end_ms - start.ms) / 1000,
            signal=signal,
            member=member,
            peak=self._peak,
            began_before=began_before,
        )
        exposures = {}
        for tier, lead_ms in self._leads.items():
            open_ms = self._open_ms[tier]
            exposures[tier] = Exposure(
                lead_seconds=None if began_before or not lead_ms else lead_ms / 1000,
                open_seconds=open_ms / 1000,
                missed=open_ms > 0 or (not began_before and not lead_ms),
            )
        self._found.append((outage, exposures))
        self._began, self._peak = None, 0.0
