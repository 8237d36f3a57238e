"""The learned cost: by which factor runs cost more than ``run_cost`` says.

Theory of operation
===================

Reservations are a prediction. Between two samples of a signal, the reservations of runs that were
admitted before fall by some bytes, because these bytes should now be in etcd. What etcd really
grew by is in the samples. Their ratio says how wrong ``run_cost`` is:

    factor = (measured growth + prior) / (predicted growth + prior),    from 1 to 4

- Both sums decay with the half-life ``HALF_LIFE``, a part of a run's duration. So the factor
  follows a change of what runs do, and is not moved by one odd sample.
- A step in which the value fell is left out, because a compaction or a defragmentation hides what
  was written. So is a long one, because more than one thing may have happened in it.
- The prior is some runs whose cost is as stated. It keeps the factor near 1 until enough was seen.
- The factor never falls below 1. Runs that are late look like cheap ones, and a reservation that is
  given up too early is what fills etcd. A ``run_cost`` that is too high only makes runs wait.
- A run cost that is changed in the configuration is judged by new samples alone.
- What other writers add counts as if runs had written it. That errs on the careful side.

As in `core.latch`, time is an argument and the state can be stored as ages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from shield_evaluator.core.reservations import UnwrittenRuns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.headroom import Usage
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.room import RoomState

MAX_FACTOR: Final = 4.0
PRIOR_RUNS: Final = 8
PRIOR_QUOTA_SHARE: Final = 0.01  # the prior's least size: a percent of etcd's quota
HALF_LIFE: Final = 2 / 3  # of grows_over: 10 minutes where runs write for 15
LONGEST_STEP: Final = 1 / 3  # of grows_over


class CostEvidence(Struct, frozen=True, gc=False):
    """What the samples of one signal have shown of the cost of runs.

    Attributes:
        value: the last complete sample, in the signal's unit.
        seen_ms: when it was first seen.
        run_cost: highest stated cost of any tier, bytes; if it changes, the evidence is discarded.
        measured: bytes by which etcd grew, decayed by their age.
        predicted: bytes by which reservations fell meanwhile, at the stated ``run_cost``.
    """

    value: float
    seen_ms: int
    run_cost: int
    measured: float = 0.0
    predicted: float = 0.0


def learn_costs(
    plan: Plan, state: RoomState, usages: Mapping[str, Usage], now_ms: int
) -> dict[str, CostEvidence]:
    """Add what this cycle's complete samples show of the cost of runs.

    Args:
        plan: what runs should cost.
        state: with this cycle's quotas, and without the runs admitted since the last cycle.
        usages: this cycle's, by signal.
        now_ms: the instant.
    """
    evidence = {name: known for name, known in state.cost_evidence.items() if name in plan.signals}
    unwritten = UnwrittenRuns(state.batches)
    for signal in state.quotas:
        usage = usages.get(signal)
        if usage is not None and usage.complete:
            evidence[signal] = _learned(plan, state, unwritten, signal, usage.value, now_ms)
    return evidence


def _learned(
    plan: Plan, state: RoomState, unwritten: UnwrittenRuns, signal: str, value: float, now_ms: int
) -> CostEvidence:
    """Add one complete sample; one with the last one's value counts as the same scrape."""
    by_tier = plan.effective_room_plans.get(signal, {})
    evidence = state.cost_evidence.get(signal)
    run_cost = max((room_plan.run_cost for room_plan in by_tier.values()), default=0)
    if evidence is None or evidence.run_cost != run_cost:
        return CostEvidence(value, now_ms, run_cost)
    if value == evidence.value or not by_tier:
        return evidence
    grows_over_ms = max(room_plan.grows_over_ms for room_plan in by_tier.values())
    took_ms = now_ms - evidence.seen_ms
    if value < evidence.value or took_ms > grows_over_ms * LONGEST_STEP:
        return replace(evidence, value=value, seen_ms=now_ms)
    kept = 0.5 ** (took_ms / (grows_over_ms * HALF_LIFE))
    predicted = sum(
        unwritten.bytes_at_stated_cost(tier, by_tier[tier], evidence.seen_ms)
        - unwritten.bytes_at_stated_cost(tier, by_tier[tier], now_ms)
        for tier in state.batches
        if tier in by_tier
    )
    return CostEvidence(
        value,
        now_ms,
        run_cost,
        evidence.measured * kept + (value - evidence.value) * state.quotas[signal],
        evidence.predicted * kept + predicted,
    )


def cost_factor(plan: Plan, state: RoomState, signal: str) -> float:
    """Return by which factor runs cost more than stated on a signal: from 1 to `MAX_FACTOR`."""
    by_tier, evidence = plan.effective_room_plans.get(signal), state.cost_evidence.get(signal)
    if evidence is None or not by_tier or not plan.signals[signal].applies_learned_cost:
        return 1.0
    run_cost = max(room_plan.run_cost for room_plan in by_tier.values())
    if evidence.run_cost != run_cost:
        return 1.0
    prior = max(PRIOR_RUNS * run_cost, PRIOR_QUOTA_SHARE * state.quotas.get(signal, 0.0))
    factor = (evidence.measured + prior) / (evidence.predicted + prior)
    return min(MAX_FACTOR, max(1.0, factor))
