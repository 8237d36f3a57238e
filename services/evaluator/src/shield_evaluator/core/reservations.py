"""Reservations: what admitted runs are still going to write.

The theory is in `core.room`. Here are its parts that only look at runs: how counters become
batches, how long a batch is kept, and how much it still reserves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan, RoomPlan

# No API server creates this many objects within one cycle; a counter that says so was forged.
MAX_BATCH_RUNS: Final = 100_000

# The longest reservation is kept in about this many batches, which bounds the stored document at
# short intervals. Merging shifts a reservation by less than half a percent of its length.
MAX_BATCHES: Final = 256


class Batch(Struct, frozen=True, gc=False):
    """Runs of one tier that were admitted at about the same time.

    Attributes:
        admitted_ms: when, on the clock of `core.state.Instant.ms`.
        runs: how many.
    """

    admitted_ms: int
    runs: int


class Reservation(Struct, frozen=True, gc=False):
    """What the admitted runs of one tier are still going to write.

    Attributes:
        runs: how many of them are not finished writing.
        reserved: bytes at the learned cost, the most that it is on any of the tier's signals.
    """

    runs: int
    reserved: float


def counter_growth(
    before: Mapping[str, int] | None, totals: Mapping[str, int] | None
) -> tuple[dict[str, int], tuple[str, ...]]:
    """Return the runs admitted since the last cycle by counter, and implausible counters."""
    if totals is None or before is None:
        return {}, ()
    grown, implausible = {}, []
    for name, total in totals.items():
        last = before.get(name, 0)
        runs = total - last if total >= last else total
        if runs > MAX_BATCH_RUNS:
            implausible.append(name)
        elif runs > 0:
            grown[name] = runs
    return grown, tuple(implausible)


def known_totals(
    plan: Plan, before: Mapping[str, int] | None, totals: Mapping[str, int]
) -> dict[str, int]:
    """Return the last known total of each counter.

    A counter of a known tier that is missing once may be unreadable; forgetting its last total
    would count all of it again.
    """
    kept = {} if before is None else {name: before[name] for name in plan.tiers if name in before}
    return {**kept, **totals}


def runs_by_tier(plan: Plan, grown: Mapping[str, int]) -> dict[str, int]:
    """Return runs by tier; a tier that only admitters know counts as the default tier."""
    admitted: dict[str, int] = {}
    for name, runs in grown.items():
        tier = name if name in plan.tiers else plan.default_tier
        admitted[tier] = admitted.get(tier, 0) + runs
    return admitted


def add_batches(
    plan: Plan,
    batches: Mapping[str, tuple[Batch, ...]],
    admitted: Mapping[str, int],
    now_ms: int,
) -> dict[str, tuple[Batch, ...]]:
    """Add new batches and drop those that reserve nothing any more."""
    kept = {}
    for tier in plan.tiers:
        room_plans = _reserving_plans(plan, tier)
        lasts_ms = max((one.lag_ms + one.grows_over_ms for one in room_plans), default=0)
        left = [b for b in batches.get(tier, ()) if now_ms - b.admitted_ms < lasts_ms]
        runs = admitted.get(tier, 0)
        if runs and lasts_ms:
            if left and (now_ms - left[-1].admitted_ms) * MAX_BATCHES < lasts_ms:
                left[-1] = Batch(left[-1].admitted_ms, left[-1].runs + runs)
            else:
                left.append(Batch(now_ms, runs))
        if left:
            kept[tier] = tuple(left)
    return kept


def _reserving_plans(plan: Plan, tier: str) -> list[RoomPlan]:
    """Return, for every room plan of any tier, the plan by which this tier's runs count in it."""
    return [
        room_plan_on(plan, tier, signal, room_plan)
        for by_signal in plan.room_plans.values()
        for signal, room_plan in by_signal.items()
    ]


def room_plan_on(plan: Plan, tier: str, signal: str, default: RoomPlan) -> RoomPlan:
    """Return the room plan of a tier's runs on a signal; ``default`` if it has none there."""
    return plan.room_plans[tier].get(signal, default)


class UnwrittenRuns:
    """What the runs of batches have not written yet, with a cache.

    Signals and tiers differ in what a run costs, and hardly in how long it writes. So each sum over
    some hundred batches is cached, because a backtest needs it in each of thousands of cycles.
    """

    def __init__(self, batches: Mapping[str, tuple[Batch, ...]]) -> None:
        """Keep the batches of all tiers; nothing is summed yet."""
        self._batches = batches
        self._sums: dict[tuple[str, int, int, int], float] = {}

    def bytes_at_stated_cost(self, tier: str, room_plan: RoomPlan, now_ms: int) -> float:
        """Return the bytes that a tier's runs are still going to write, as ``run_cost`` says."""
        lag_ms, grows_over_ms = room_plan.lag_ms, room_plan.grows_over_ms
        key = (tier, lag_ms, grows_over_ms, now_ms)
        runs = self._sums.get(key)
        if runs is None:
            batches = self._batches.get(tier, ())
            runs = self._sums[key] = _unwritten_runs(batches, now_ms - lag_ms, grows_over_ms)
        return room_plan.run_cost * runs


def _unwritten_runs(batches: tuple[Batch, ...], visible_until_ms: int, grows_over_ms: int) -> float:
    """Return the runs of batches, each counted by the share that it has not written yet."""
    runs = 0.0
    for batch in batches:
        visible_for_ms = visible_until_ms - batch.admitted_ms
        if visible_for_ms <= 0:
            runs += batch.runs
        elif visible_for_ms < grows_over_ms:
            runs += batch.runs * (1.0 - visible_for_ms / grows_over_ms)
    return runs
