"""Room: how many more runs fit, counting what has been admitted and is not in etcd yet.

Theory of operation
===================

A latch sees what etcd holds. What fills etcd was admitted minutes ago and is still writing: a
PipelineRun of 14 KiB grows to several MiB while its tasks report status. So every admitted run is
*reserved* for until it can be seen in the metrics:

    reserved                 one batch of runs, admitted at 0
    runs x run_cost  ──────┐
                           │╲
                           │ ╲
                           │  ╲
                     0     lag   lag + grows_over

Admitters add what they admit to a counter per tier. In each cycle, the growth of a tier's counter
is one batch. Until ``lag`` nothing of it can be in a sample; from then on its reservation falls
linearly, because what it gives up is now part of the measured value.

For each tier and signal with a ``run_cost``:

    headroom = (target - value) x quota - reserved by the runs of all tiers        [bytes]
    room     = max(0, headroom / run_cost)                                         [runs]

A tier's room is the least over its signals. A run cost that proves too low in the samples is
multiplied by the factor that `core.learned_cost` finds, wherever it occurs here.

Without a complete observation the value is not known any more: headroom then loses what is
admitted and gains nothing. A partial observation is a lower bound of the value, so it may lower
headroom but not raise it.

The room of a tier is handed out over ``spend``: each decision gives each of N admitters

    share = room x interval / spend / N                                            [runs]

Handing out a fixed part of what is left approaches ``target`` from below and cannot pass it by
more than one interval's shares. A tier without room for one run for as long as ``spend`` is
*closed*: its decision denies, so that the allow bit does not promise what no request gets. It opens
again with room for ``reopen`` runs, which is more than one, so that it does not flap.

Counters come from Redis, where anybody with its password can write. A counter that fell has lost
its data; its whole value counts as new. One that grew by more than
`core.reservations.MAX_BATCH_RUNS` in one cycle cannot have been counted by admitters: it reserves
nothing, and the caller removes it.

As in `core.latch`, time is an argument, and a state that is stored as ages and restored is the same
state: a restart changes no later output.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from shield_evaluator.core.headroom import headroom_of, reserved_on_signal, usages_of
from shield_evaluator.core.learned_cost import CostEvidence, cost_factor, learn_costs
from shield_evaluator.core.plan import MIN_REOPEN
from shield_evaluator.core.reservations import (
    Batch,
    Reservation,
    UnwrittenRuns,
    add_batches,
    counter_growth,
    known_totals,
    runs_by_tier,
)

if TYPE_CHECKING:
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan

REOPEN_SHARE: Final = 0.01  # of the runs that fit below the target


class RoomClosing(Struct, frozen=True, gc=False):
    """Whether a tier is closed for lack of room.

    Attributes:
        short_since_ms: since when there has been room for less than one run; None if there is more.
        closed: the tier is published as denying.
    """

    short_since_ms: int | None = None
    closed: bool = False


class RoomState(Struct, frozen=True):
    """What has to be remembered from one cycle to the next.

    Attributes:
        totals: counter name -> its last value; None before the first reading of a state that was
            stored without counters, whose totals may be older than any reservation.
        batches: tier -> batches that still reserve something, oldest first.
        headroom: (tier, signal) -> bytes, as of the last complete observation, less what was
            admitted since.
        quotas: signal -> etcd's quota in bytes, the last that was known.
        cost_evidence: signal -> what its samples have shown of the cost of runs.
        closings: by tier.
        implausible: counters whose value no admitter can have written; to be removed.
    """

    totals: Mapping[str, int] | None = field(default_factory=dict)
    batches: Mapping[str, tuple[Batch, ...]] = field(default_factory=dict)
    headroom: Mapping[tuple[str, str], float] = field(default_factory=dict)
    quotas: Mapping[str, float] = field(default_factory=dict)
    cost_evidence: Mapping[str, CostEvidence] = field(default_factory=dict)
    closings: Mapping[str, RoomClosing] = field(default_factory=dict)
    implausible: tuple[str, ...] = ()


class TierRoom(Struct, frozen=True, gc=False):
    """What one tier has room for.

    Attributes:
        runs: how many more runs fit; a fraction is a run that does not fit yet.
        signal: the signal with the least room.
        learned_run_cost: bytes that one run of the tier costs on that signal, as far as is known.
        spend_ms: over how long the room is handed out, milliseconds.
        closed: the tier is closed: for ``spend`` there was room for less than one run.
    """

    runs: float
    signal: str
    learned_run_cost: int
    spend_ms: int
    closed: bool = False

    def share(self, *, interval_ms: int, admitters: int) -> float:
        """Return how many runs one of ``admitters`` may admit until the next decision."""
        return self.runs * min(1.0, interval_ms / self.spend_ms) / max(1, admitters)


def advance(
    plan: Plan,
    state: RoomState,
    observations: Mapping[str, Observation],
    *,
    quotas: Mapping[str, float],
    totals: Mapping[str, int] | None,
    now_ms: int,
) -> RoomState:
    """Advance reservations and room by one cycle.

    Args:
        plan: which tiers and signals have a run cost.
        state: the state after the last cycle.
        observations: this cycle's, by signal.
        quotas: signal -> etcd's quota in bytes; one that is missing keeps its last value.
        totals: runs admitted in total, by counter; None if they could not be read.
        now_ms: the instant; must not be before the last cycle's.
    """
    known_quotas = {
        name: quota
        for name in plan.signals
        if (quota := quotas.get(name, state.quotas.get(name))) is not None and quota > 0
    }
    grown, implausible = counter_growth(state.totals, totals)
    admitted, usages = runs_by_tier(plan, grown), usages_of(observations)
    before = replace(state, quotas=known_quotas)
    after = replace(
        before,
        totals=state.totals if totals is None else known_totals(plan, state.totals, totals),
        batches=add_batches(plan, state.batches, admitted, now_ms),
        cost_evidence=learn_costs(plan, before, usages, now_ms),
        implausible=implausible,
    )
    after = replace(after, headroom=headroom_of(plan, after, usages, admitted, now_ms))
    closings = {
        tier: closing
        for tier in plan.tiers
        if (closing := _closing(plan, after, tier, now_ms)) is not None
    }
    return replace(after, closings=closings)


def room_of(plan: Plan, state: RoomState, tier: str) -> TierRoom | None:
    """Return a tier's room: the least over its signals; None while none of them is known."""
    least: TierRoom | None = None
    closed = state.closings.get(tier, RoomClosing()).closed
    for signal, room_plan in plan.room_plans[tier].items():
        headroom = state.headroom.get((tier, signal))
        if headroom is None:
            continue
        learned_run_cost = room_plan.run_cost * cost_factor(plan, state, signal)
        runs = max(0.0, headroom / learned_run_cost)
        if least is None or runs < least.runs:
            least = TierRoom(runs, signal, round(learned_run_cost), room_plan.spend_ms, closed)
    return least


def reservation_of(plan: Plan, state: RoomState, tier: str, *, now_ms: int) -> Reservation:
    """Return what the runs of a tier are still going to write."""
    batches, unwritten = state.batches.get(tier, ()), UnwrittenRuns(state.batches)
    reserved = (
        unwritten.bytes_at_stated_cost(tier, room_plan, now_ms) * cost_factor(plan, state, signal)
        for signal, room_plan in plan.room_plans[tier].items()
    )
    return Reservation(
        runs=sum(batch.runs for batch in batches),
        reserved=max(reserved, default=0.0),
    )


def reservations_of(plan: Plan, state: RoomState, *, now_ms: int) -> dict[str, Reservation]:
    """Return the reservation of each tier that has a run cost."""
    return {
        tier: reservation_of(plan, state, tier, now_ms=now_ms)
        for tier in plan.tiers
        if plan.room_plans[tier]
    }


def overdraft_of(plan: Plan, state: RoomState, *, now_ms: int) -> float:
    """Return by how many bytes etcd exceeds the highest target of a signal; 0 if it does not.

    Room ends at the target, so an overdraft means that runs cost more than ``run_cost`` says, or
    that something else fills etcd. A tier with a higher target may well fill etcd beyond a lower
    one, so only the highest target of each signal counts.
    """
    excesses: dict[str, float] = {}  # by signal
    unwritten = UnwrittenRuns(state.batches)
    for tier, signal in state.headroom:
        room_plan = plan.room_plans[tier].get(signal)
        if room_plan is None:
            continue
        reserved = reserved_on_signal(
            plan, state, signal, room_plan, unwritten=unwritten, now_ms=now_ms
        )
        excess = -(state.headroom[tier, signal] + reserved)
        excesses[signal] = min(excesses.get(signal, excess), excess)
    return max(0.0, max(excesses.values(), default=0.0))


def closed_tiers(state: RoomState) -> frozenset[str]:
    """Return the tiers that are closed for lack of room."""
    return frozenset(tier for tier, closing in state.closings.items() if closing.closed)


def _closing(plan: Plan, state: RoomState, tier: str, now_ms: int) -> RoomClosing | None:
    """Return whether a tier is closed after this cycle; None while that is not known.

    It closes after ``spend`` without room for one run, and opens with enough room.
    """
    before, room = state.closings.get(tier, RoomClosing()), room_of(plan, state, tier)
    if room is None:
        return before if plan.room_plans[tier] and before != RoomClosing() else None
    if room.runs < 1:
        since = now_ms if before.short_since_ms is None else before.short_since_ms
        return RoomClosing(since, before.closed or now_ms - since >= room.spend_ms)
    return RoomClosing(None, before.closed and room.runs < _runs_to_reopen(plan, state, tier))


def _runs_to_reopen(plan: Plan, state: RoomState, tier: str) -> float:
    """Return with room for how many runs a closed tier opens again."""
    enough: float = MIN_REOPEN
    for signal, room_plan in plan.room_plans[tier].items():
        if room_plan.reopen is not None:
            enough = max(enough, room_plan.reopen)
        elif (quota := state.quotas.get(signal)) is not None:
            learned_run_cost = room_plan.run_cost * cost_factor(plan, state, signal)
            fits = room_plan.target * quota / learned_run_cost
            enough = max(enough, REOPEN_SHARE * fits)
    return enough
