"""Times and sentences as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

MINUTE: Final = 60
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR


def duration(seconds: float) -> str:
    """Write a length of time in at most two units, rounded down; negative ones are 0."""
    left = max(0, int(seconds))
    if left < 2 * MINUTE:
        return f"{left} s"
    if left < 2 * HOUR:
        return f"{left // MINUTE} min"
    if left < 2 * DAY:
        return f"{left // HOUR} h {left % HOUR // MINUTE} min"
    return f"{left // DAY} d {left % DAY // HOUR} h"


def clock(moment: datetime, *, now: datetime) -> str:
    """Write a UTC moment, with its date unless that is today's."""
    form = "%H:%M:%SZ" if moment.date() == now.date() else "%Y-%m-%d %H:%MZ"
    return moment.strftime(form)


def sentence(text: str) -> str:
    """Write a reason as a sentence: a capital, unless it begins with a name, and a full stop."""
    first = text.partition(" ")[0]
    is_name = first == "etcd" or not first.isalpha()
    return f"{text if is_name else text[:1].upper() + text[1:]}{'' if text.endswith('.') else '.'}"
