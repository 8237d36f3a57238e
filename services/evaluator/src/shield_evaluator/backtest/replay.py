"""Stepping the evaluator's own core over samples of the past.

Each step of the grid is one cycle: `core.observation.observe`, then `core.room.advance` where the
samples have the runs, then `core.latch.advance`, with the samples' time in the place of the clock.
Nothing that moves a latch is decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_evaluator.backtest.runs import count_runs, quotas_of
from shield_evaluator.core import room
from shield_evaluator.core.latch import advance
from shield_evaluator.core.observation import Observation, observe
from shield_evaluator.core.plan import ColdStart
from shield_evaluator.core.state import Instant, ShieldState, TierBit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shield_evaluator.backtest.samples import Samples
    from shield_evaluator.core.plan import Plan

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Step(Struct, frozen=True):
    """One cycle of the past.

    Attributes:
        now: its time; milliseconds are Unix time.
        observations: by signal.
        state: the state after it.
        created: runs created since the step before; None if the samples do not say.
    """

    now: Instant
    observations: dict[str, Observation]
    state: ShieldState
    created: int | None = None


def replay(plan: Plan, expressions: Mapping[str, str], samples: Samples) -> Iterator[Step]:
    """Step the latches from a cold start over all samples.

    Args:
        plan: what is watched.
        expressions: signal -> PromQL, to find each signal's samples.
        samples: of every signal of the plan.

    Raises:
        SamplesError: a signal has no samples.
    """
    sources = [
        (name, query, plan.signals[name].members) for name, query in samples.of(expressions).items()
    ]
    grid = samples.grid
    runs, quotas = count_runs(samples), quotas_of(samples, plan)
    computes_room = plan.has_room and runs is not None
    # Nothing else decided before the first step, so no tier waits to be decided.
    first = TierBit(plan.cold_start is ColdStart.RESET, instant(grid.start_ms).utc)
    state, total = ShieldState(bits=dict.fromkeys(plan.tiers, first)), 0
    for index in range(grid.steps):
        now = instant(grid.at(index))
        observations = {
            name: observe(
                query.at(index), expected_members=members, warnings=query.warnings_at(index)
            )
            for name, query, members in sources
        }
        before, total = total, 0 if runs is None else int(runs.totals[index])
        rooms = None
        if computes_room:
            rooms = room.advance(
                plan,
                state.room,
                observations,
                quotas=quotas,
                totals={plan.default_tier: total},
                now_ms=now.ms,
            )
        state = advance(plan, state, observations, now, room=rooms)
        yield Step(now, observations, state, None if runs is None else total - before)


def can_compute_room(samples: Samples, plan: Plan) -> bool:
    """Return whether samples have the runs and the quota, without which there is no room."""
    return count_runs(samples) is not None and bool(quotas_of(samples, plan))


def instant(ms: int) -> Instant:
    """Return a point in Unix time."""
    return Instant(ms, _EPOCH + timedelta(milliseconds=ms))
