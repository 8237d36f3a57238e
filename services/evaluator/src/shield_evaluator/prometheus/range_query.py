"""Range queries: the steps that they are for, and the answer as types.

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct

from shield_evaluator.prometheus.response import Response, malformed, parse_result

if TYPE_CHECKING:
    from collections.abc import Mapping

# Prometheus refuses a range query of more points per series ("exceeded maximum resolution").
MAX_POINTS: Final = 11_000


@dataclass(frozen=True, slots=True)
class Grid:
    """Even steps through time.

    Attributes:
        start_ms: the first step, Unix milliseconds.
        step_ms: milliseconds from one to the next.
        steps: how many; one query takes at most `MAX_POINTS`.
    """

    start_ms: int
    step_ms: int
    steps: int

    @property
    def end_ms(self) -> int:
        """The last step, Unix milliseconds."""
        return self.at(self.steps - 1)

    def at(self, index: int) -> int:
        """Return a step's time, Unix milliseconds."""
        return self.start_ms + index * self.step_ms


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series over a range.

    Attributes:
        labels: its label set.
        points: (Unix milliseconds, value), oldest first; steps without a value are left out.
    """

    labels: Mapping[str, str]
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """The answer to a range query.

    Attributes:
        series: one per label set.
        warnings: what the server said about the completeness of the answer.
    """

    series: tuple[RangeSeries, ...]
    warnings: tuple[str, ...]


class _Series(Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


_matrix = msgspec.json.Decoder(Response[list[_Series]])


def parse_range(body: bytes, remarks: tuple[str, ...] = ()) -> RangeAnswer:
    """Decode the body of a successful range query.

    Args:
        body: of a response with status 200.
        remarks: of the response's headers on its completeness.

    Raises:
        PrometheusError: not a success, not JSON, or not a range of vectors.
    """
    result, warnings = parse_result(body, _matrix, "matrix", "a vector at each step")
    try:
        series = tuple(
            RangeSeries(
                labels=each.metric,
                points=[(round(at * 1000), float(value)) for at, value in each.values],
            )
            for each in result
        )
    except (ValueError, OverflowError) as error:
        raise malformed(error) from error
    return RangeAnswer(series, (*warnings, *remarks))
