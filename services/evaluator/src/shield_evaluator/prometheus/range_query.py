"""Range queries: the stretch that is asked for, and the answer as types.

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#range-vectors
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import Struct

from shield_evaluator.prometheus.response import Response, malformed, member_of, parse_result

# Prometheus refuses a range query of more points per series ("exceeded maximum resolution").
MAX_POINTS: Final = 11_000


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, asked for at even steps.

    Attributes:
        start_ms: its first step, Unix milliseconds.
        step_ms: milliseconds from one to the next.
        steps: how many, at most `MAX_POINTS`.
    """

    start_ms: int
    step_ms: int
    steps: int

    @property
    def end_ms(self) -> int:
        """Its last step, Unix milliseconds."""
        return self.start_ms + (self.steps - 1) * self.step_ms


@dataclass(frozen=True, slots=True)
class RangeSeries:
    """One series over a window.

    Attributes:
        identity: the same for the same label set in every window.
        member: which etcd member it is about.
        points: (Unix milliseconds, value), oldest first; steps without a value are left out.
    """

    identity: str
    member: str
    points: list[tuple[int, float]]


@dataclass(frozen=True, slots=True)
class RangeAnswer:
    """What a range query returned.

    Attributes:
        series: one per label set.
        warnings: what the server said about the answer's completeness.
    """

    series: tuple[RangeSeries, ...]
    warnings: tuple[str, ...]


class _Series(Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


_matrix = msgspec.json.Decoder(Response[list[_Series]])


def parse_range(body: bytes) -> RangeAnswer:
    """Read the body of a successful range query.

    Raises:
        PrometheusError: not a success, not JSON, or not a range of vectors.
    """
    result, warnings = parse_result(body, _matrix, "matrix", "a vector at each step")
    try:
        series = tuple(
            RangeSeries(
                identity=",".join(f"{k}={v}" for k, v in sorted(one.metric.items())),
                member=member_of(one.metric),
                points=[(round(at * 1000), float(value)) for at, value in one.values],
            )
            for one in result
        )
    except (ValueError, OverflowError) as error:
        raise malformed(error) from error
    return RangeAnswer(series, warnings)
