"""What a calibration needs of samples: each member's live data in bytes, and the runs."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shield_evaluator.backtest.runs import RunCount
    from shield_evaluator.backtest.samples import Series
    from shield_evaluator.prometheus.range_query import Grid

# Equal values in a row are one scrape seen several times, unless they last this long.
SAME_SECONDS: Final = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """One member's live data.

    Attributes:
        step: its place on the grid.
        size: bytes.
    """

    step: int
    size: float


@dataclass(frozen=True, slots=True)
class RunHistory:
    """Live data and runs on one grid.

    Attributes:
        step_seconds: from one step to the next.
        start_ms: the first step, Unix milliseconds.
        members: each member's readings, oldest first; a member without any is left out.
        runs: how many runs were created.
    """

    step_seconds: float
    start_ms: int
    members: Sequence[Sequence[Reading]]
    runs: RunCount

    @property
    def steps(self) -> int:
        """How many steps there are."""
        return len(self.runs.totals)


class Written:
    """How many runs' worth has been written up to each step, if a run grows over a given time."""

    def __init__(self, history: RunHistory, grows_over: float) -> None:
        self.steps = max(1, round(grows_over / history.step_seconds))
        self._unknown = history.runs.unknown
        totals = history.runs.totals
        # A run created n steps ago is n / steps written: the mean of the last totals says that.
        sums = [0.0, *accumulate(totals)]
        self._written = [
            (sums[step + 1] - sums[max(0, step + 1 - self.steps)]) / self.steps
            for step in range(len(totals))
        ]

    def between(self, first: int, last: int) -> float | None:
        """Return the runs' worth written between two steps; None if too little is known."""
        begin = first - self.steps
        if begin < 0 or self._unknown[last] - self._unknown[begin] > 0:
            return None
        return self._written[last] - self._written[first]


def history_of(series: Sequence[Series], quota: float, runs: RunCount, grid: Grid) -> RunHistory:
    """Put a history together.

    Args:
        series: each member's live data as a share of the quota.
        quota: bytes.
        runs: on the same grid.
        grid: the steps.
    """
    seconds = grid.step_ms / 1000
    members = [_readings(one, quota, SAME_SECONDS / seconds) for one in series]
    return RunHistory(seconds, grid.start_ms, [found for found in members if found], runs)


def _readings(series: Series, quota: float, most_equal: float) -> list[Reading]:
    found: list[Reading] = []
    for step, there in enumerate(series.present):
        value = series.values[step]
        if not there or not 0 <= value < float("inf"):
            continue
        size = value * quota
        if not found or size != found[-1].size or step - found[-1].step >= most_equal:
            found.append(Reading(step, size))
    return found
