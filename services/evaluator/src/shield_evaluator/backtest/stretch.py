"""Which steps are meant by a begin, an end and a step as an operator writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shield_common.config.types import Duration
from shield_evaluator.backtest import moments
from shield_evaluator.backtest.samples import Grid

DEFAULT_STEP: Final = 30.0  # seconds: a usual scrape interval; between scrapes nothing changes
DEFAULT_FROM: Final = "-7d"


@dataclass(frozen=True, slots=True)
class Stretch:
    """The ``--from``, ``--to`` and ``--step`` of the command line; None where not given."""

    start: str | None
    end: str | None
    step: str | None

    @property
    def given(self) -> bool:
        """Whether any of them was."""
        return (self.start, self.end, self.step) != (None, None, None)

    def grid(self, interval: float, now_ms: int) -> Grid:
        """Return the steps that are meant.

        Args:
            interval: the configuration's, seconds: what the latches are stepped at, at the least.
            now_ms: now, Unix milliseconds.

        Raises:
            ValueError: a time cannot be read, or nothing lies between them.
        """
        step = max(DEFAULT_STEP, interval) if self.step is None else Duration.parse(self.step)
        step_ms = round(step * 1000)
        if step_ms < 1:
            raise ValueError("--step must be at least 1ms")
        start_ms = moments.parse(self.start or DEFAULT_FROM, now_ms=now_ms)
        end_ms = moments.parse(self.end or "now", now_ms=now_ms)
        if start_ms >= now_ms:
            raise ValueError("--from must lie before now: there are no samples yet")
        # On whole multiples of the step, so that the same range asks for the same points again.
        start_ms -= start_ms % step_ms
        steps = (min(end_ms, now_ms) - start_ms) // step_ms + 1
        if start_ms >= end_ms or steps < 2:  # noqa: PLR2004 - one step is no stretch of time
            raise ValueError("the range is empty: --from must be at least one step before --to")
        return Grid(start_ms, step_ms, steps)
