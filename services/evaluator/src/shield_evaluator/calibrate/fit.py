"""Find ``run_cost`` and ``grows_over`` in a history, and say how sure that is."""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_evaluator.calibrate.growth import stretches
from shield_evaluator.calibrate.history import Written
from shield_evaluator.calibrate.least_squares import Line, Sums

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shield_evaluator.calibrate.growth import Stretch
    from shield_evaluator.calibrate.history import RunHistory

_MINUTE: Final = 60.0
# Runs of pipelines take from a minute to hours. Beyond an hour compaction leaves nothing to see.
GROWS_OVER: Final = tuple(
    minutes * _MINUTE for minutes in (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 60)
)
MIN_RUNS: Final = 100
MIN_STRETCHES: Final = 30
MIN_BLOCKS: Final = 6  # hours that differ from each other; fewer say nothing about chance
_BLOCK_SECONDS: Final = 3600.0
_MAX_BLOCKS: Final = 200  # more make the blocks longer, not the answer better
_SELECTIONS: Final = 200
_LOW, _HIGH = 0.05, 0.95  # so that 90 of 100 selections lie between
# An interval wider than the cost itself would promise less than the factor of two that room bears.
WIDEST: Final = 1.0
# etcd shrinks between compactions by more than this share of what runs write: something is wrong.
_MOST_SHRINKING: Final = 0.1
# Times that the history cannot tell apart: the longest is more than this many times the shortest.
_APART: Final = 3.0


class CannotTellError(Exception):
    """The history does not say what a run costs; the message says why, for the operator."""


class Interval(Struct, frozen=True):
    """Where 90 of 100 random selections of the history put a value.

    Attributes:
        low: 5 of 100 are below.
        high: 5 of 100 are above.
    """

    low: float
    high: float


class Calibration(Struct, frozen=True, kw_only=True):
    """What a run costs, and how sure that is.

    Attributes:
        run_cost: bytes that a run writes.
        run_cost_interval: how sure that is.
        grows_over_seconds: over how long; None if the history does not tell.
        grows_over_interval: how sure that is.
        other_growth: bytes per second that no run explains.
        explained: share of the differences in growth that runs explain, from 0 to 1.
        runs: how many runs there were.
        stretches: between how many compactions etcd's growth was measured, members apart.
        seconds: the length of the history.
    """

    run_cost: float
    run_cost_interval: Interval
    grows_over_seconds: float | None
    grows_over_interval: Interval
    other_growth: float
    explained: float
    runs: int
    stretches: int
    seconds: float


class Point(Struct, frozen=True, gc=False):
    """One stretch as the line sees it.

    Attributes:
        step: where it begins.
        seconds: its length.
        runs: runs' worth written in it.
        bytes: growth.
    """

    step: int
    seconds: float
    runs: float
    bytes: float


class Fitted(Struct, frozen=True):
    """A calibration with the points behind it."""

    calibration: Calibration
    points: tuple[Point, ...]


def fit(history: RunHistory) -> Fitted:
    """Find what a run costs.

    Raises:
        CannotTellError: the history does not say.
    """
    runs = history.runs.runs
    if runs < MIN_RUNS:
        raise CannotTellError(f"only {runs} runs were created; at least {MIN_RUNS} are needed")
    found = stretches(history)
    by_time = {seconds: _points(history, found, seconds) for seconds in GROWS_OVER}
    by_time = {seconds: points for seconds, points in by_time.items() if points}
    if max((len(points) for points in by_time.values()), default=0) < MIN_STRETCHES:
        raise CannotTellError(
            "etcd's live data and the runs overlap for too short a time: take a longer range"
        )
    blocks = _blocks(history, by_time)
    if len(blocks) < MIN_BLOCKS:
        raise CannotTellError("the range is too short: take some hours, better some days")
    best = _best(list(blocks.values()))
    if best is None:
        raise CannotTellError(
            "runs were created at the same rate all the time, so their growth cannot be"
            " distinguished from any other: take a range with busy and quiet hours"
        )
    seconds, line, sums = best
    costs, times = _selections(list(blocks.values()))
    return Fitted(_judged(history, seconds, line, sums, costs, times), tuple(by_time[seconds]))


def _judged(
    history: RunHistory,
    seconds: float,
    line: Line,
    sums: Sums,
    costs: list[float],
    times: list[float],
) -> Calibration:
    interval = _interval(costs)
    explained = 1 - line.squares / sums.spread if sums.spread > 0 else 0.0
    if not costs or interval.low <= 0 or interval.high - interval.low > WIDEST * line.cost:
        raise CannotTellError(
            "runs do not explain etcd's growth well enough: the cost of one could be anything from"
            f" {max(0.0, interval.low) / 2**20:.1f} to {interval.high / 2**20:.1f} MiB. Take a"
            " longer range, with busy and quiet hours"
        )
    rate = sums.runs / sums.seconds
    if line.drift < -_MOST_SHRINKING * rate * line.cost:
        raise CannotTellError(
            "etcd's live data fall between compactions, which runs cannot explain: the samples are"
            " too noisy, or of several clusters"
        )
    over = _interval(times)
    is_known = over.high <= _APART * over.low and GROWS_OVER[0] < seconds < GROWS_OVER[-1]
    return Calibration(
        run_cost=line.cost,
        run_cost_interval=interval,
        grows_over_seconds=seconds if is_known else None,
        grows_over_interval=over,
        other_growth=line.drift,
        explained=max(0.0, explained),
        runs=history.runs.runs,
        stretches=sums.points,
        seconds=history.steps * history.step_seconds,
    )


def _points(history: RunHistory, found: Sequence[Stretch], grows_over: float) -> list[Point]:
    written = Written(history, grows_over)
    points = []
    for one in found:
        runs = written.between(one.first, one.last)
        if runs is not None:
            seconds = (one.last - one.first) * history.step_seconds
            points.append(Point(one.first, seconds, runs, one.bytes))
    return points


_Block = dict[float, Sums]


def _blocks(history: RunHistory, by_time: Mapping[float, Sequence[Point]]) -> dict[int, _Block]:
    """Return the sums of each hour and each time over which a run may grow.

    Only hours that every such time has count, so that all are judged by the same.
    """
    length = history.steps * history.step_seconds
    steps = max(_BLOCK_SECONDS, length / _MAX_BLOCKS) / history.step_seconds
    blocks: dict[int, _Block] = {}
    for seconds, points in by_time.items():
        hours: defaultdict[int, list[tuple[float, float, float]]] = defaultdict(list)
        for point in points:
            hours[int(point.step / steps)].append((point.runs, point.seconds, point.bytes))
        for hour, members in hours.items():
            blocks.setdefault(hour, {})[seconds] = Sums.of(members)
    return {hour: block for hour, block in blocks.items() if len(block) == len(by_time)}


def _best(blocks: Sequence[_Block]) -> tuple[float, Line, Sums] | None:
    """Return the time over which a run grows that leaves the smallest squares, and its line."""
    best: tuple[float, Line, Sums] | None = None
    for seconds in blocks[0]:
        sums = Sums()
        for block in blocks:
            sums.add(block[seconds])
        line = sums.solve()
        if line is None:
            continue
        # Squares of unequally many points are compared as means.
        if best is None or line.squares / sums.seconds < best[1].squares / best[2].seconds:
            best = (seconds, line, sums)
    return best


def _selections(blocks: Sequence[_Block]) -> tuple[list[float], list[float]]:
    """Return costs and times of random selections of the hours."""
    chance = Random(1)  # noqa: S311 - the same history gives the same answer
    costs, times = [], []
    for _ in range(_SELECTIONS):
        best = _best(chance.choices(blocks, k=len(blocks)))
        if best is not None:
            times.append(best[0])
            costs.append(best[1].cost)
    return costs, times


def _interval(values: list[float]) -> Interval:
    if not values:
        return Interval(0.0, float("inf"))
    ordered = sorted(values)
    last = len(ordered) - 1
    return Interval(ordered[round(_LOW * last)], ordered[round(_HIGH * last)])
