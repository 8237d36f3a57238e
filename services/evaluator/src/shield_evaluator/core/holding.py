"""Holding: how many more runs may be held, and when newcomers are denied all the same.

Theory of operation
===================

A held run is a PipelineRun that exists as pending: 14 KiB in etcd instead of several MiB. At most
``max_runs`` of all tiers together are held, so

    slots = max(0, max_runs - held)

Admitters hold runs, and only the controller sees which of them are released, cancelled or deleted.
Its report says how many were held, and up to which value of the admitters' counters; what the
counters gained since comes on top:

    report                         held
    present                        reported + growth of the counters since the report
    expired                        the last one + growth of the counters since the last cycle
    there never was one            unknown: nothing is held, because nothing would release it
    could not be read              as if expired, but the controller counts as alive

So without reports slots only shrink. Holding is then *stalled* in every tier: newcomers of an open
tier do not queue behind runs that may never be released.

Stuck runs take slots as the others do, but newcomers do not queue behind them: until somebody mends
a run that the API server refuses to start, nothing would be gained by that.

A tier is *full* while one of its signals is at or above ``full``. As for latches, a partial
observation may make it full but not end that, and an unusable one changes nothing.

As in `core.room`, counters are not trusted, and a restart changes no later output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

from shield_common.decision import MAX_SAFE_INTEGER, TierHold
from shield_common.held import HeldReport
from shield_evaluator.core.plan import HORIZON_SECONDS, Unit
from shield_evaluator.core.reservations import counter_growth, known_totals

if TYPE_CHECKING:
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan

_MINUTE_SECONDS: Final = 60


class HoldingState(Struct, frozen=True, omit_defaults=True):
    """What has to be remembered from one cycle to the next; stored as it is.

    Attributes:
        is_known: whether a report of held runs was ever read.
        is_stalled: whether the last report has expired.
        held: held runs by tier, as last reported, and those held since.
        stuck: how many of those could not be started, by tier, as last reported.
        held_totals: tier -> runs that admitters had held in total, stored as ``counted``; None
            before the first reading.
        per_minute: by tier, how many runs are released in a minute, as last reported.
        full: tiers and signals that are at or above ``full``.
        implausible: tiers whose counter no admitter can have written; to be removed.
    """

    is_known: bool = False
    is_stalled: bool = False
    held: Mapping[str, int] = field(default_factory=dict)
    stuck: Mapping[str, int] = field(default_factory=dict)
    held_totals: Mapping[str, int] | None = field(default=None, name="counted")
    per_minute: Mapping[str, float] = field(default_factory=dict)
    full: frozenset[tuple[str, str]] = frozenset()
    implausible: tuple[str, ...] = ()


class HeldReading(Struct, frozen=True):
    """What a cycle reads about held runs.

    Attributes:
        report: the controller's; None if it has expired, or cannot be used.
        store_answered: whether the store answered.
        held_totals: tier -> runs that admitters have held in total; None if that is not known.
    """

    report: HeldReport | None = None
    store_answered: bool = False
    held_totals: Mapping[str, int] | None = None


def advance(
    plan: Plan,
    state: HoldingState,
    observations: Mapping[str, Observation],
    reading: HeldReading,
) -> HoldingState:
    """Advance the held runs and the full tiers by one cycle.

    Args:
        plan: how many runs may be held, and where tiers are full.
        state: the state after the last cycle.
        observations: this cycle's, by signal.
        reading: what was read in this cycle.
    """
    if plan.max_held is None:
        return HoldingState()
    grown, implausible = counter_growth(state.held_totals, reading.held_totals)
    held_totals = state.held_totals
    if reading.held_totals is not None:
        held_totals = known_totals(plan, state.held_totals, reading.held_totals)
    full = _full(plan, state.full, observations)
    if reading.report is None:
        tiers = {*state.held, *grown.keys() & plan.tiers.keys()}
        return HoldingState(
            is_known=state.is_known,
            is_stalled=reading.store_answered or state.is_stalled,
            held={tier: state.held.get(tier, 0) + grown.get(tier, 0) for tier in tiers},
            stuck=state.stuck,
            held_totals=held_totals,
            per_minute={} if reading.store_answered else state.per_minute,
            full=full,
            implausible=implausible,
        )
    reported = reading.report.tiers
    # The counters were read after the report: one that grew in between has not fallen.
    grown_since_report, implausible_since_report = counter_growth(
        {tier: entry.counted for tier, entry in reported.items()}, reading.held_totals
    )
    # Admitters hold runs of the plan's tiers alone.
    grown_since_report = {
        tier: runs for tier, runs in grown_since_report.items() if tier in plan.tiers
    }
    return HoldingState(
        is_known=True,
        held={
            tier: (reported[tier].held if tier in reported else 0) + grown_since_report.get(tier, 0)
            for tier in {*reported, *grown_since_report}
        },
        stuck={tier: entry.stuck for tier, entry in reported.items() if entry.stuck},
        held_totals=held_totals,
        per_minute={tier: entry.released_per_minute for tier, entry in reported.items()},
        full=full,
        implausible=tuple(sorted({*implausible, *implausible_since_report})),
    )


def tier_hold(plan: Plan, state: HoldingState, tier: str, *, admitters: int) -> TierHold | None:
    """Return what a decision says about holding in a tier; None if nothing is held.

    Args:
        plan: how many runs may be held.
        state: the state after this cycle.
        tier: one of the plan.
        admitters: among how many admitters slots are shared out.
    """
    if plan.max_held is None or not state.is_known:
        return None
    slots = max(0, plan.max_held - held_in_all(state))
    startable = max(0, state.held.get(tier, 0) - state.stuck.get(tier, 0))
    startable = min(startable, MAX_SAFE_INTEGER)  # whatever a report says
    rate = state.per_minute.get(tier, 0.0)
    wait = None
    if rate > 0 and not state.is_stalled:
        wait = min(HORIZON_SECONDS, (startable + 1) / rate * _MINUTE_SECONDS)
    return TierHold(
        slots=slots,
        share=slots / max(1, admitters),
        held=startable,
        wait_seconds=wait,
        full=any(full_tier == tier for full_tier, _ in state.full),
        stalled=state.is_stalled,
    )


def held_in_all(state: HoldingState) -> int:
    """Return how many runs are held in all tiers, those of unknown tiers included."""
    return sum(state.held.values())


def priorities(plan: Plan) -> dict[str, int]:
    """Return the order in which tiers' held runs are released; 0 is first.

    A tier that may fill etcd further is more important: the one whose least ``set`` is highest is
    first, then by name. Signals in numbers say nothing about that.
    """

    def least_set(tier: str) -> float:
        sets = [
            threshold.set
            for signal, threshold in plan.tiers[tier].items()
            if plan.signals[signal].unit is not Unit.NUMBER
        ]
        return min(sets, default=1.0)

    ranked = sorted(plan.tiers, key=lambda tier: (-least_set(tier), tier))
    return {tier: number for number, tier in enumerate(ranked)}


def _full(
    plan: Plan, before: frozenset[tuple[str, str]], observations: Mapping[str, Observation]
) -> frozenset[tuple[str, str]]:
    full = set()
    for tier, thresholds in plan.tiers.items():
        for signal, threshold in thresholds.items():
            if threshold.full is None:
                continue
            observation = observations.get(signal)
            is_full = (tier, signal) in before
            if observation is not None and observation.value is not None:
                is_above = observation.value >= threshold.full
                is_full = is_above or (is_full and observation.partial)
            if is_full:
                full.add((tier, signal))
    return frozenset(full)
