"""Stepping the evaluator's own core over samples of the past.

Each step of the grid is one cycle: `core.observation.observe`, then `core.latch.advance`, with the
samples' time in the place of the clock. Nothing that moves a latch is decided here.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_evaluator.core.latch import Instant, ShieldState, TierBit, advance
from shield_evaluator.core.observation import Observation, observe
from shield_evaluator.core.plan import ColdStart

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
    """

    now: Instant
    observations: dict[str, Observation]
    state: ShieldState


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
    # Nothing else decided before the first step, so no tier waits to be decided.
    first = TierBit(plan.cold_start is ColdStart.RESET, instant(grid.start_ms).utc)
    state = ShieldState(tiers=dict.fromkeys(plan.tiers, first))
    for index in range(grid.steps):
        now = instant(grid.at(index))
        observations = {
            name: observe(
                query.at(index), expected_members=members, warnings=query.warnings_at(index)
            )
            for name, query, members in sources
        }
        state = advance(plan, state, observations, now)
        yield Step(now, observations, state)


def instant(ms: int) -> Instant:
    """Return a point in Unix time."""
    return Instant(ms, _EPOCH + timedelta(milliseconds=ms))
