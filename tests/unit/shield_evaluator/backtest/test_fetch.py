"""How a long range is asked for."""

import pytest

from shield_evaluator.backtest.fetch import fetch
from shield_evaluator.backtest.samples import SamplesError
from shield_evaluator.prometheus.range_query import MAX_POINTS, Grid, RangeAnswer, RangeSeries
from shield_evaluator.prometheus.response import PrometheusError

STEP_MS = 30_000


class Endless:
    """A Prometheus that knows one member at every time, up to so many points an answer."""

    def __init__(self, most: int = MAX_POINTS, *, warnings: tuple[str, ...] = ()) -> None:
        self.grids: list[Grid] = []
        self._most = most
        self._warnings = warnings

    async def query_range(self, expression: str, grid: Grid, *, budget: float) -> RangeAnswer:
        assert ("usage", True) == (expression, budget > 0)
        if grid.steps > self._most:
            raise PrometheusError("too_large", "the answer is too large")
        self.grids.append(grid)
        points = [(grid.start_ms + i * grid.step_ms, 0.5) for i in range(grid.steps)]
        return RangeAnswer((RangeSeries({"instance": "a"}, points),), self._warnings)


async def test_pieces_cover_every_step_once() -> None:
    client = Endless()
    grid = Grid(0, STEP_MS, 2 * MAX_POINTS + 7)
    found = await fetch(client, {"usage": ("db-file",)}, grid)
    assert [MAX_POINTS, MAX_POINTS, 7] == [piece.steps for piece in client.grids]
    assert grid.steps == sum(found.queries[0].series[0].present)


async def test_an_answer_that_is_too_large_is_asked_for_in_smaller_pieces() -> None:
    client = Endless(most=3_000)
    grid = Grid(0, STEP_MS, MAX_POINTS)
    found = await fetch(client, {"usage": ("db-file",)}, grid)
    assert grid.steps == sum(found.queries[0].series[0].present)


async def test_an_answer_that_is_too_large_at_any_size_is_an_error() -> None:
    with pytest.raises(PrometheusError, match="signal db-file, 0% fetched"):
        await fetch(Endless(most=0), {"usage": ("db-file",)}, Grid(0, STEP_MS, 100))


async def test_what_does_not_fit_into_memory_is_not_asked_for() -> None:
    client = Endless()
    with pytest.raises(SamplesError, match="take a shorter range"):
        await fetch(client, {"usage": ("db-file",)}, Grid(0, 1, 10**9))
    assert [] == client.grids


async def test_progress_adds_up_to_all_steps() -> None:
    told: list[int] = []
    grid = Grid(0, STEP_MS, MAX_POINTS + 1)
    await fetch(Endless(), {"usage": ("db-file",)}, grid, on_steps=told.append)
    assert grid.steps == sum(told)


async def test_a_warning_makes_the_steps_of_its_piece_partial() -> None:
    grid = Grid(0, STEP_MS, 10)
    found = await fetch(Endless(warnings=("a store is away",)), {"usage": ("db-file",)}, grid)
    assert ("a store is away",) == found.queries[0].warnings_at(9)
