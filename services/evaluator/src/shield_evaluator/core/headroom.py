"""Headroom: how many bytes are free below a target, after what is reserved.

`core.room` has the theory. Here observations become bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_evaluator.core.learned_cost import CostEvidence, cost_factor, learn
from shield_evaluator.core.reservations import reserved_by, room_plan_on, room_plans

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, RoomPlan
    from shield_evaluator.core.room import RoomState

# What lies free inside the database file is written to before the file grows. With less than this
# share of the file free (fragmentation, freed pages of open readers), the file grows as well.
USABLE_FREE_SHARE: Final = 0.02
FILE_SIGNAL: Final = "db-file"
IN_USE_SIGNAL: Final = "db-in-use"


def factor_of(plan: Plan, state: RoomState, signal: str) -> float:
    """Return by which factor runs cost more on a signal than its ``run_cost`` says; at least 1."""
    return cost_factor(
        plan, signal, state.cost_evidence.get(signal), quota=state.quotas.get(signal, 0.0)
    )


def learn_costs(
    plan: Plan, state: RoomState, observations: Mapping[str, Observation], now_ms: int
) -> dict[str, CostEvidence]:
    """Add what this cycle's complete samples show of the cost of runs.

    Args:
        plan: what runs should cost.
        state: with this cycle's quotas, and the batches of the last cycle.
        observations: this cycle's, by signal.
        now_ms: the instant.
    """
    evidence = {name: known for name, known in state.cost_evidence.items() if name in plan.signals}
    for signal, quota in state.quotas.items():
        value, complete = _value(observations, signal)
        if value is not None and complete:
            evidence[signal] = learn(
                plan,
                signal,
                evidence.get(signal),
                state.batches,
                value=value,
                quota=quota,
                now_ms=now_ms,
            )
    return evidence


def reserved_on(
    plan: Plan, state: RoomState, signal: str, room_plan: RoomPlan, now_ms: int
) -> float:
    """Return the bytes of a signal that the admitted runs of all tiers are still going to write.

    Args:
        plan: run costs.
        state: the admitted runs, and what was learnt of their cost.
        signal: which signal.
        room_plan: for the runs of tiers that state no run cost on the signal.
        now_ms: the instant.
    """
    return factor_of(plan, state, signal) * sum(
        reserved_by(batches, room_plan_on(plan, tier, signal, room_plan), now_ms)
        for tier, batches in state.batches.items()
    )


def headroom_of(
    plan: Plan,
    state: RoomState,
    observations: Mapping[str, Observation],
    admitted: Mapping[str, int],
    now_ms: int,
) -> dict[tuple[str, str], float]:
    """Return (tier, signal) -> bytes that are free below the target after what is reserved.

    Args:
        plan: targets and run costs.
        state: everything of this cycle but the headroom, which is the last cycle's.
        observations: this cycle's, by signal.
        admitted: runs admitted since the last cycle, by tier.
        now_ms: the instant.
    """
    headroom = {}
    for tier in plan.tiers:
        for signal, room_plan in room_plans(plan, tier).items():
            new_bytes = factor_of(plan, state, signal) * sum(
                runs * room_plan_on(plan, other, signal, room_plan).run_cost
                for other, runs in admitted.items()
            )
            last = state.headroom.get((tier, signal))
            shrunk = None if last is None else last - new_bytes
            value, complete = _value(observations, signal)
            quota = state.quotas.get(signal)
            if value is not None and quota is not None:
                reserved = reserved_on(plan, state, signal, room_plan, now_ms)
                measured = (room_plan.target - value) * quota - reserved
                if not complete and shrunk is not None:
                    measured = min(measured, shrunk)
                headroom[tier, signal] = measured
            elif shrunk is not None:
                headroom[tier, signal] = shrunk
    return headroom


def _value(observations: Mapping[str, Observation], signal: str) -> tuple[float | None, bool]:
    """Return the value that counts for room, and whether every member gave it."""
    observation = observations.get(signal)
    if observation is None or observation.value is None:
        return None, False
    in_use = observations.get(IN_USE_SIGNAL) if signal == FILE_SIGNAL else None
    if in_use is None or in_use.value is None or in_use.partial:
        return observation.value, not observation.partial
    usable = observation.value * (1 - USABLE_FREE_SHARE)
    value = in_use.value if in_use.value < usable else max(in_use.value, observation.value)
    return value, not observation.partial
