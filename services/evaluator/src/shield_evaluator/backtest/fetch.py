"""Samples from Prometheus: range queries in pieces, one at a time, put together on one grid.

One piece after the other, because the Prometheus that is asked for a month is the one that the
evaluator needs now.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol

from shield_evaluator.backtest.samples import QuerySamples, Samples, Series, Warned, check_size
from shield_evaluator.prometheus.members import member_names
from shield_evaluator.prometheus.range_query import MAX_POINTS, Grid, RangeAnswer
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# For one piece, further tries included; Prometheus' own limit for a query is two minutes.
PIECE_SECONDS: Final = 60.0
# Below this an answer that is still too large has thousands of series: the query is wrong.
MIN_POINTS: Final = 50


class RangeClient(Protocol):
    """Whatever answers range queries."""

    async def query_range(self, expression: str, grid: Grid, *, budget: float) -> RangeAnswer:
        """See `prometheus.client.PrometheusClient.query_range`."""
        ...


async def fetch(
    client: RangeClient,
    expressions: Mapping[str, tuple[str, ...]],
    grid: Grid,
    *,
    member_labels: Mapping[str, str] = MappingProxyType({}),
    on_steps: Callable[[int], None] = lambda _steps: None,
) -> Samples:
    """Ask for every expression over a whole grid.

    Args:
        client: who is asked.
        expressions: PromQL -> the signals that it is for.
        grid: the steps.
        member_labels: PromQL -> the label that names the member, where it is configured.
        on_steps: called after each piece with the number of steps of one expression that it had.

    Raises:
        PrometheusError: a piece was not answered; says which.
        SamplesError: more than fits into memory.
    """
    check_size(grid, len(expressions))
    found = [QuerySamples(expression, names) for expression, names in expressions.items()]
    others = 0
    for query in found:
        label = member_labels.get(query.expression)
        await _fetch_one(client, query, grid, others, on_steps, label)
        others += len(query.series)
    return Samples(grid, found)


async def _fetch_one(
    client: RangeClient,
    query: QuerySamples,
    grid: Grid,
    others: int,
    on_steps: Callable[[int], None],
    member_label: str | None,
) -> None:
    by_labels: dict[tuple[tuple[str, str], ...], Series] = {}
    first, most = 0, MAX_POINTS
    while first < grid.steps:
        steps = min(most, grid.steps - first)
        piece = Grid(grid.at(first), grid.step_ms, steps)
        try:
            answer = await client.query_range(query.expression, piece, budget=PIECE_SECONDS)
        except PrometheusError as error:
            if error.kind == "too_large" and steps > MIN_POINTS:
                most = steps // 2
                continue
            share = first / grid.steps
            names = ", ".join(query.names)
            raise PrometheusError(
                error.kind, f"signal {names}, {share:.0%} fetched: {error}"
            ) from error
        for series in answer.series:
            labels = tuple(sorted(series.labels.items()))
            if labels not in by_labels:
                check_size(grid, others + len(by_labels) + 1)
                by_labels[labels] = Series("", grid.steps)
            _place(by_labels[labels], series.points, grid)
        if answer.warnings:
            query.warned.append(Warned(first, first + steps - 1, answer.warnings[0]))
        first += steps
        on_steps(steps)
    members = member_names([dict(labels) for labels in by_labels], member_label)
    for samples, member in zip(by_labels.values(), members, strict=True):
        samples.member = member
    query.series = [by_labels[labels] for labels in sorted(by_labels)]


def _place(series: Series, points: list[tuple[int, float]], grid: Grid) -> None:
    for at_ms, value in points:
        index = round((at_ms - grid.start_ms) / grid.step_ms)
        if 0 <= index < grid.steps:
            series.put(index, value)
