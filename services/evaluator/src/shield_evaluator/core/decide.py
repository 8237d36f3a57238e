"""From the latches to the decision document, in words that a person can act on.

What a tier does was settled in ``core.latch``; here it is explained, overrides are laid over it,
and the document is put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Final

from shield_common.decision import (
    MAX_TEXT,
    Decision,
    SignalObservation,
    TierDecision,
    format_value,
)
from shield_evaluator.core.latch import LatchState, counts_as, is_blind
from shield_evaluator.core.plan import ColdStart, OnBlind, Unit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_common.decision import Override
    from shield_evaluator.core.latch import Instant, ShieldState, TierBit
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, Threshold

# The API server cuts admission warnings short (KEP 1693: 256 characters each, 4096 in all);
# kubectl shows them on one line.
MAX_WARNING: Final = 120

# A member's name is for people: an address or a pod, never a page.
MAX_MEMBER: Final = 256

# How the two default signals are called in a sentence; any other is called by its name.
_SUBJECTS: Final = {
    "db-file": "etcd is at {value} of its quota",
    "db-in-use": "etcd's live data is at {value} of its quota",
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """What stands around the tiers in every document.

    Attributes:
        cluster: the cluster's name.
        epoch: the writer's fencing number.
        sequence: the count of decisions in the epoch.
        ttl_ms: how long the document lives, milliseconds.
        interval_ms: the cycle, milliseconds.
        status_url: where a person finds out more; None if there is no such page.
    """

    cluster: str
    epoch: int
    sequence: int
    ttl_ms: int
    interval_ms: int
    status_url: str | None = None


@dataclass(frozen=True, slots=True)
class _View:
    """One signal in one tier, as the tier's explanation needs it."""

    name: str
    threshold: Threshold
    unit: Unit
    value: float | None
    counts: LatchState
    blind: bool
    partial: bool

    @property
    def nearness(self) -> float:
        """How near the value is to denying; a signal without one comes last."""
        return -1.0 if self.value is None else self.value / self.threshold.set


def decide(
    plan: Plan,
    state: ShieldState,
    observations: Mapping[str, Observation],
    *,
    now: Instant,
    envelope: Envelope,
    override: Override | None = None,
    time_to_full_seconds: float | None = None,
) -> Decision:
    """Put the decision document together.

    Args:
        plan: what is watched.
        state: the state after this cycle's `core.latch.advance`.
        observations: this cycle's, by signal.
        now: the instant of that `core.latch.advance`.
        envelope: cluster, epoch, sequence and times.
        override: the operator's word, if one is in force.
        time_to_full_seconds: the forecast; None when usage is flat or falls.
    """
    blind = {
        name: is_blind(signal, state.last_usable_ms[name], now_ms=now.ms)
        for name, signal in plan.signals.items()
    }
    tiers = {tier: _tier(plan, state, observations, tier, blind, override) for tier in plan.tiers}
    return Decision(
        cluster=envelope.cluster,
        epoch=envelope.epoch,
        sequence=envelope.sequence,
        ttl_ms=envelope.ttl_ms,
        interval_ms=envelope.interval_ms,
        evaluated_at=now.utc,
        allow=tiers[plan.default_tier].allow,
        tiers=tiers,
        signals={
            name: _published(observations.get(name), blind=blind[name]) for name in plan.signals
        },
        override=override,
        time_to_full_seconds=None if time_to_full_seconds is None else round(time_to_full_seconds),
        status_url=envelope.status_url,
    )


def _published(observation: Observation | None, *, blind: bool) -> SignalObservation:
    if observation is None or not observation.usable:
        return SignalObservation(state="blind" if blind else "unusable")
    return SignalObservation(
        value=observation.value,
        member=observation.member and observation.member[:MAX_MEMBER],
        members=observation.members,
        state="partial" if observation.partial else "ok",
    )


def _tier(
    plan: Plan,
    state: ShieldState,
    observations: Mapping[str, Observation],
    tier: str,
    blind: Mapping[str, bool],
    override: Override | None,
) -> TierDecision:
    views = [
        _View(
            name=name,
            threshold=threshold,
            unit=plan.signals[name].unit,
            value=None if (seen := observations.get(name)) is None else seen.value,
            counts=counts_as(state.latches[tier, name], plan.signals[name], blind=blind[name]),
            blind=blind[name],
            partial=seen is not None and seen.partial,
        )
        for name, threshold in plan.tiers[tier].items()
    ]
    bit = state.tiers[tier]
    if override is not None and override.covers(tier):
        return _overridden(override, views, shield_allows=bit.allow)
    return _latched(plan, tier, bit, views)


def _latched(plan: Plan, tier: str, bit: TierBit, views: list[_View]) -> TierDecision:
    worst = max(views, key=lambda view: view.nearness)
    if bit.allow:
        return TierDecision(
            allow=True,
            since=bit.since,
            value=worst.value,
            set=worst.threshold.set,
            reset=worst.threshold.reset,
            warning=_warning(tier, views),
            unit=worst.unit,
        )
    denying = [view for view in views if view.counts is LatchState.SET]
    if not denying:
        return TierDecision(
            allow=False, since=bit.since, reason=_undetermined(plan, views), unit=worst.unit
        )
    culprit = max(denying, key=lambda view: view.nearness)
    return TierDecision(
        allow=False,
        since=bit.since,
        reason=_reason(culprit, plan),
        signal=culprit.name,
        value=culprit.value,
        set=culprit.threshold.set,
        reset=culprit.threshold.reset,
        unit=culprit.unit,
    )


def _overridden(override: Override, views: list[_View], *, shield_allows: bool) -> TierDecision:
    worst = max(views, key=lambda view: view.nearness)
    until = f"until {override.until.astimezone(UTC):%H:%M:%S}Z"
    warning = None
    if override.allow and not shield_allows:
        warning = _short(
            f"etcd-shield would deny this, but is overridden {until}: {override.reason}"
        )
    return TierDecision(
        allow=override.allow,
        since=override.since,
        reason=""
        if override.allow
        else _short(f"denied by an operator {until}: {override.reason}", MAX_TEXT),
        value=worst.value if override.allow else None,
        set=worst.threshold.set if override.allow else None,
        reset=worst.threshold.reset if override.allow else None,
        warning=warning,
        unit=worst.unit,
    )


def _reason(view: _View, plan: Plan) -> str:
    if view.value is None:
        if view.blind and plan.signals[view.name].on_blind is OnBlind.DENY:
            return f"etcd's usage is unknown: signal {view.name} is blind"
        return f"{view.name} reached its set threshold and gives no value now"
    said = describe(view.name, view.value, view.unit)
    if view.value >= view.threshold.reset:
        return said
    held = "not every member answers" if view.partial else "not for long enough yet"
    return f"{said}, but {held}"


def _undetermined(plan: Plan, views: list[_View]) -> str:
    waiting = ", ".join(view.name for view in views if view.counts is LatchState.UNKNOWN)
    why = "cold start" if plan.cold_start is ColdStart.SET else "still denying"
    return _short(f"etcd's usage is not known yet ({why}): waiting for signal {waiting}", MAX_TEXT)


def describe(name: str, value: float, unit: Unit) -> str:
    """Say in a sentence what a signal says.

    Args:
        name: the signal's.
        value: in the unit.
        unit: the signal's.
    """
    if unit is Unit.ALERT:
        return f"alert {name} is firing" if value >= 1 else f"alert {name} is not firing"
    text = f"{value * 100:.1f}%" if unit is Unit.RATIO else format_value(value, unit)
    return _SUBJECTS.get(name, "signal " + name + " is at {value}").format(value=text)


def _warning(tier: str, views: list[_View]) -> str | None:
    warned = [
        view
        for view in views
        if view.value is not None
        and view.threshold.warn is not None
        and view.value >= view.threshold.warn
    ]
    if not warned:
        return None
    view = max(warned, key=lambda candidate: candidate.nearness)
    limit = format_value(view.threshold.set, view.unit)
    return _short(
        f"{describe(view.name, view.value or 0.0, view.unit)}; {tier} runs are denied from {limit}"
    )


def _short(text: str, limit: int = MAX_WARNING) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"
