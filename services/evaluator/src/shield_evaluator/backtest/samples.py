"""Samples of a stretch of time on an even grid, as range queries and recordings hold them.

Values are kept as numbers in arrays, nine bytes each, so that a year at 30 s fits into memory; the
`Sample` objects of a step are made when it is replayed.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.observation import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shield_evaluator.prometheus.range_query import Grid

# Nine bytes each: half a gigabyte, a year at 10 s of two signals with eight members.
MAX_VALUES: Final = 50_000_000


class SamplesError(Exception):
    """The samples cannot be used; the command line prints it as one line."""


class Series:
    """One member's values on a grid.

    Attributes:
        member: whose they are.
        values: one number per step; means nothing where ``present`` is 0.
        present: 1 for every step that has a value.
    """

    __slots__ = ("member", "present", "values")

    def __init__(self, member: str, steps: int) -> None:
        self.member = member
        self.values = array("d", bytes(8 * steps))
        self.present = bytearray(steps)

    def put(self, index: int, value: float) -> None:
        """Set a step's value; it may be anything that a float can be."""
        self.values[index] = value
        self.present[index] = 1


@dataclass(frozen=True, slots=True)
class Warned:
    """What Prometheus said about the completeness of some steps.

    Attributes:
        first: the first step's index.
        last: the last step's index.
        text: its words.
    """

    first: int
    last: int
    text: str


@dataclass(slots=True)
class QuerySamples:
    """All that one query returned.

    Attributes:
        expression: the PromQL.
        names: the signals that it was asked for.
        series: one per label set.
        warned: steps whose answer may be incomplete.
    """

    expression: str
    names: tuple[str, ...] = ()
    series: list[Series] = field(default_factory=list)
    warned: list[Warned] = field(default_factory=list)

    def at(self, index: int) -> list[Sample]:
        """Return a step's samples."""
        return [Sample(one.member, one.values[index]) for one in self.series if one.present[index]]

    def warnings_at(self, index: int) -> tuple[str, ...]:
        """Return what was said about a step's completeness."""
        if not self.warned:
            return ()
        return tuple(w.text for w in self.warned if w.first <= index <= w.last)


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of several queries on one grid.

    Attributes:
        grid: their steps.
        queries: one per expression.
    """

    grid: Grid
    queries: Sequence[QuerySamples]

    def of(self, expressions: Mapping[str, str]) -> dict[str, QuerySamples]:
        """Find each signal's samples: by its expression, else by its name.

        Args:
            expressions: signal -> PromQL.

        Raises:
            SamplesError: a signal has none.
        """
        found = {}
        for name, expression in expressions.items():
            match = next(
                (q for q in self.queries if q.expression == expression),
                next((q for q in self.queries if name in q.names), None),
            )
            if match is None:
                known = ", ".join(sorted({n for q in self.queries for n in q.names})) or "none"
                raise SamplesError(f"there are no samples of signal {name} (of: {known})")
            found[name] = match
        return found


def check_size(grid: Grid, series: int) -> None:
    """Refuse what would not fit into memory.

    Raises:
        SamplesError: too many values; says what to do.
    """
    if grid.steps * series > MAX_VALUES:
        raise SamplesError(
            f"{grid.steps} steps of {series} series are more than {MAX_VALUES} values;"
            " take a shorter range or a longer step"
        )
