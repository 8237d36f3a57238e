"""How values, times and text of others are written for people and logs.

Belongs here: pure functions from a value to text that more than one module needs, so that a value
reads the same in a denial, a log line, a table and on the status page. Sentences about decisions
belong to the services.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_FINE: Final = 10  # seconds; below, tenths are shown
_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_SIZE_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def truncate(text: str, limit: int, *, with_length: bool = False) -> str:
    """Return at most ``limit`` characters; the last one is an ellipsis if any were cut off.

    Args:
        text: the text.
        limit: in characters.
        with_length: add the length of a text that was cut, beyond the limit: for logs, where the
            length itself can be the reason for a failure.
    """
    if len(text) <= limit:
        return text
    return text[: limit - 1] + "…" + (f" ({len(text)} characters)" if with_length else "")


def printable(text: str) -> str:
    r"""Return the text with every unprintable character as an escape such as ``\x1b``.

    Unprintable are control characters, which a terminal obeys; marks that reverse the direction of
    the text after them; lone surrogates, which cannot be encoded; and all spaces but the common
    one, since they can hide something too.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def sentence(text: str) -> str:
    """Return a reason as a sentence: a capital, unless it begins with a name, and a full stop."""
    first = text.partition(" ")[0]
    is_name = first == "etcd" or not first.isalpha()
    return f"{text if is_name else text[:1].upper() + text[1:]}{'' if text.endswith('.') else '.'}"


def format_value(value: float, unit: str) -> str:
    """Return a signal's value for people.

    Args:
        value: in the unit.
        unit: ``ratio`` gives a percentage; any other unit gives the number.
    """
    return f"{round(value * 100, 1):g}%" if unit == "ratio" else f"{value:.6g}"


def format_size(byte_count: float) -> str:
    """Return a number of bytes with a binary unit, such as ``3.1 GiB``."""
    exponent = min(max(int(byte_count), 1).bit_length() - 1, 49) // 10
    return f"{byte_count / 1024**exponent:.{1 if exponent else 0}f} {_SIZE_UNITS[exponent]}"


def format_duration(seconds: float) -> str:
    """Return a span in its two largest units: ``2.5s``, ``45s``, ``3m 05s``, ``2h``, ``4d 3h``.

    A second unit of zero is left out. Negative spans, which a stepped clock makes, read ``0s``.
    """
    seconds = max(0.0, seconds)
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole}s" if seconds >= _FINE else f"{seconds:.2g}s"
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    if days:
        return f"{days}d {hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h {minutes:02}m" if minutes else f"{hours}h"
    return f"{minutes}m {left:02}s" if left else f"{minutes}m"


def format_time(at: datetime, *, now: datetime | None = None) -> str:
    """Return a time of day in UTC, such as ``09:58:10Z``.

    Args:
        at: aware.
        now: if given, a time of another day than this has its date: ``2026-11-20 12:00Z``.
    """
    try:
        at = at.astimezone(UTC)
    except OverflowError:  # on the first or last day of the calendar, in another zone
        return f"{at:%H:%M:%S%z}"
    another_day = now is not None and at.date() != now.astimezone(UTC).date()
    return f"{at:%Y-%m-%d %H:%M}Z" if another_day else f"{at:%H:%M:%S}Z"


def format_datetime(at: datetime | None, otherwise: str = "") -> str:
    """Return a date and time to the second, in its own zone; ``otherwise`` without one."""
    return otherwise if at is None else f"{at:%Y-%m-%d %H:%M:%S}"
