"""Points in time as an operator writes them: ``now``, ``-7d``, ``2026-11-20T10:00Z``."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime
from typing import Final

_PART_MS: Final = {"d": 86_400_000, "w": 604_800_000, "h": 3_600_000, "m": 60_000, "s": 1_000}
_BACK: Final = re.compile(r"^(?:now)?-((?:[0-9]+[wdhms])+)$")
_PART: Final = re.compile(r"([0-9]+)([wdhms])")
_MAX_MS: Final = 253_402_300_799_000  # the end of the year 9999, where datetime ends


def parse(text: str, *, now_ms: int) -> int:
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
