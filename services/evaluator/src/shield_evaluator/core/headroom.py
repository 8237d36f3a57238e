"""Headroom: how many bytes are free below a target, after what is reserved.

`core.room` has the theory. Here observations become bytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from shield_evaluator.core.learned_cost import cost_factor
from shield_evaluator.core.plan import FILE_SIGNAL, IN_USE_SIGNAL
from shield_evaluator.core.reservations import UnwrittenRuns, room_plan_on

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, RoomPlan
    from shield_evaluator.core.room import RoomState

# What lies free inside the database file is written to before the file grows. With less than this
# share of the file free (fragmentation, freed pages of open readers), the file grows as well.
USABLE_FREE_SHARE: Final = 0.02


class Usage(NamedTuple):
    """How full etcd is for the purpose of room, by one signal.

    Attributes:
        value: a share of the quota.
        complete: every member gave it; else it is a lower bound.
    """

    value: float
    complete: bool


def usages_of(observations: Mapping[str, Observation]) -> dict[str, Usage]:
    """Return the usage by each signal that has a usable observation."""
    usages = {}
    in_use = observations.get(IN_USE_SIGNAL)
    for signal, observation in observations.items():
        value = observation.value
        if value is None:
            continue
        if signal == FILE_SIGNAL and in_use is not None and not in_use.partial:
            live = value if in_use.value is None else in_use.value
            file_grows = live >= value * (1 - USABLE_FREE_SHARE)
            value = max(live, value) if file_grows else live
        usages[signal] = Usage(value, not observation.partial)
    return usages


def reserved_on_signal(
    plan: Plan,
    state: RoomState,
    signal: str,
    room_plan: RoomPlan,
    *,
    unwritten: UnwrittenRuns,
    now_ms: int,
) -> float:
    """Return the bytes of a signal that all tiers' runs are going to write, at the learned cost.

    Args:
        plan: run costs.
        state: the admitted runs, and what was learnt of their cost.
        signal: which signal.
        room_plan: fallback for tiers without a room plan on the signal.
        unwritten: of the state's batches; the same one for all signals and tiers.
        now_ms: the instant.
    """
    return cost_factor(plan, state, signal) * sum(
        unwritten.bytes_at_stated_cost(tier, room_plan_on(plan, tier, signal, room_plan), now_ms)
        for tier in state.batches
    )


def headroom_of(
    plan: Plan,
    state: RoomState,
    usages: Mapping[str, Usage],
    admitted: Mapping[str, int],
    now_ms: int,
) -> dict[tuple[str, str], float]:
    """Return (tier, signal) -> bytes that are free below the target after what is reserved.

    Args:
        plan: targets and run costs.
        state: everything of this cycle but the headroom, which is the last cycle's.
        usages: this cycle's, by signal.
        admitted: runs admitted since the last cycle, by tier.
        now_ms: the instant.
    """
    headroom = {}
    unwritten = UnwrittenRuns(state.batches)
    for tier, by_signal in plan.room_plans.items():
        for signal, room_plan in by_signal.items():
            new_bytes = cost_factor(plan, state, signal) * sum(
                runs * room_plan_on(plan, other, signal, room_plan).run_cost
                for other, runs in admitted.items()
            )
            last = state.headroom.get((tier, signal))
            shrunk = None if last is None else last - new_bytes
            usage, quota = usages.get(signal), state.quotas.get(signal)
            if usage is not None and quota is not None:
                reserved = reserved_on_signal(
                    plan, state, signal, room_plan, unwritten=unwritten, now_ms=now_ms
                )
                measured = (room_plan.target - usage.value) * quota - reserved
                if not usage.complete and shrunk is not None:
                    measured = min(measured, shrunk)
                headroom[tier, signal] = measured
            elif shrunk is not None:
                headroom[tier, signal] = shrunk
    return headroom
