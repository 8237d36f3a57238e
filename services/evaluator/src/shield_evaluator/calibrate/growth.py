"""Stretches in which etcd only grew: a history without its compactions and gaps."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Final

from shield_evaluator.calibrate.history import Written
from shield_evaluator.calibrate.least_squares import Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shield_evaluator.calibrate.history import RunHistory

# Any value does to find compactions, which fall far below the line.
_GROWS_OVER: Final = 900.0
_ROUNDS: Final = 4  # the set of compactions has settled by then
_SIGMAS: Final = 4.0  # what lies lower than this below the line is no noise
_SIGMA_OF_MEDIAN: Final = 1.4826  # of a normal distribution, for the median of the absolute values
_LEAST_FALL: Final = 64 * 1024  # bytes; a few of etcd's pages come and go
_GAP_SECONDS: Final = 300.0  # readings that are further apart say nothing about growth
_LONGEST_SECONDS: Final = 600.0  # of a stretch; a history has many stretches, for its hours differ


@dataclass(frozen=True, slots=True)
class Stretch:
    """One member's growth between two steps.

    Attributes:
        first: the step at its start.
        last: the step at its end.
        bytes: the growth.
    """

    first: int
    last: int
    bytes: float


def stretches(history: RunHistory) -> list[Stretch]:
    """Return the stretches of all members in which nothing was compacted."""
    written = Written(history, _GROWS_OVER)
    intervals = [_intervals(history, readings) for readings in range(len(history.members))]
    everything = [one for member in intervals for one in member]
    falls = _falls(everything, written, history.step_seconds)
    longest = _LONGEST_SECONDS / history.step_seconds
    return [stretch for member in intervals for stretch in _joined(member, falls, longest)]


def _intervals(history: RunHistory, member: int) -> list[Stretch]:
    """Return the growth from each reading to the next."""
    readings = history.members[member]
    widest = _GAP_SECONDS / history.step_seconds
    return [
        Stretch(before.step, after.step, after.size - before.size)
        for before, after in pairwise(readings)
        if after.step - before.step <= max(1.0, widest)
    ]


def _falls(intervals: Sequence[Stretch], written: Written, step_seconds: float) -> set[int]:
    """Return which intervals, by identity, have a compaction in them."""
    points = [
        (one, runs, (one.last - one.first) * step_seconds)
        for one in intervals
        if (runs := written.between(one.first, one.last)) is not None
    ]
    growing = [point for point in points if point[0].bytes >= 0]
    falls: set[int] = set()
    for _ in range(_ROUNDS):
        line = Sums.of((runs, seconds, one.bytes) for one, runs, seconds in growing).solve()
        if line is None:
            break
        rests = [(one, one.bytes - line.at(runs, seconds)) for one, runs, seconds in points]
        above = [rest for _, rest in rests if rest > 0]
        sigma = _SIGMA_OF_MEDIAN * median(above) if above else 0.0
        lowest = -max(_SIGMAS * sigma, _LEAST_FALL)
        falls = {id(one) for one, rest in rests if rest < lowest}
        growing = [point for point in points if id(point[0]) not in falls]
    return falls


def _joined(intervals: Iterable[Stretch], falls: set[int], longest: float) -> Iterable[Stretch]:
    """Join intervals that follow each other: the noise of a reading in between cancels out."""
    current: Stretch | None = None
    for one in intervals:
        if id(one) in falls:
            if current is not None:
                yield current
            current = None
        elif (
            current is not None
            and current.last == one.first
            and one.last - current.first <= longest
        ):
            current = Stretch(current.first, one.last, current.bytes + one.bytes)
        else:
            if current is not None:
                yield current
            current = one
    if current is not None:
        yield current
