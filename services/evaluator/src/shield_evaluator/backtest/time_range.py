"""The range of time of a backtest as an operator writes it: ``--from``, ``--to`` and ``--step``."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from shield_common.config.types import Duration
from shield_evaluator.prometheus.range_query import Grid

DEFAULT_STEP: Final = 30.0  # seconds: a usual scrape interval; between scrapes nothing changes
DEFAULT_FROM: Final = "-7d"

_PART_MS: Final = {"d": 86_400_000, "w": 604_800_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_BACK: Final = re.compile(r"^(?:now)?-((?:[0-9]+[wdhms])+)$")
_PART: Final = re.compile(r"([0-9]+)([wdhms])")
_MAX_MS: Final = 253_402_300_799_000  # the end of the year 9999, where datetime ends


@dataclass(frozen=True, slots=True)
class TimeRange:
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
        start_ms = parse_moment(self.start or DEFAULT_FROM, now_ms=now_ms)
        end_ms = parse_moment(self.end or "now", now_ms=now_ms)
        if start_ms >= now_ms:
            raise ValueError("--from must lie before now: there are no samples yet")
        # On whole multiples of the step, so that the same range asks for the same points again.
        start_ms -= start_ms % step_ms
        steps = (min(end_ms, now_ms) - start_ms) // step_ms + 1
        if start_ms >= end_ms or steps < 2:  # noqa: PLR2004 - one step is no range
            raise ValueError("the range is empty: --from must be at least one step before --to")
        return Grid(start_ms, step_ms, steps)


def parse_moment(text: str, *, now_ms: int) -> int:
    """Read a point in time.

    Args:
        text: ``now``; a span back from now such as ``-7d`` or ``now-1h30m`` (w, d, h, m, s); a date
            or a time of ISO 8601, UTC unless it says otherwise; or Unix seconds.
        now_ms: now, Unix milliseconds.

    Returns:
        Unix milliseconds.

    Raises:
        ValueError: it is none of these; the message says so.
    """
    text = text.strip()
    if text == "now":
        return now_ms
    found = _at(text, now_ms)
    if found is None:
        raise ValueError(
            f"{text[:40]!r} is not a time such as now, -7d, now-90m, 2026-11-20,"
            " 2026-11-20T10:00Z or 1795000000"
        )
    if not 0 <= found <= _MAX_MS:
        raise ValueError(f"{text[:40]!r} is out of range")
    return found


def _at(text: str, now_ms: int) -> int | None:
    if back := _BACK.match(text):
        return now_ms - sum(int(n[:15]) * _PART_MS[unit] for n, unit in _PART.findall(back[1]))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    # "20261120" is ISO 8601 too, "1795000000" is not.
    if moment is not None:
        aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return round(aware.timestamp() * 1000)
    try:
        seconds = float(text)
    except ValueError:
        return None
    return round(seconds * 1000) if math.isfinite(seconds) and abs(seconds) < _MAX_MS else None
