"""How times, spans of time and reasons read on the page and in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def moment(at: datetime | None, otherwise: str = "") -> str:
    """Write a time to the second, in its own zone; ``otherwise`` when there is none."""
    return otherwise if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def span(seconds: float) -> str:
    """Write a span with its two largest units: ``45s``, ``3m 05s``, ``2h 07m``, ``4d 3h``."""
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{seconds:.3g}s"
    days, rest = divmod(whole, _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, left = divmod(rest, _MINUTE)
    if days:
        return f"{days}d {hours}h"
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {left:02}s"


def duration(seconds: float) -> str:
    """Write a length of time in at most two units, rounded down; negative ones are 0."""
    left = max(0, int(seconds))
    if left < 2 * _MINUTE:
        return f"{left} s"
    if left < 2 * _HOUR:
        return f"{left // _MINUTE} min"
    if left < 2 * _DAY:
        return f"{left // _HOUR} h {left % _HOUR // _MINUTE} min"
    return f"{left // _DAY} d {left % _DAY // _HOUR} h"


def clock(moment: datetime, *, now: datetime) -> str:
    """Write a UTC moment, with its date unless that is today's."""
    form = "%H:%M:%SZ" if moment.date() == now.date() else "%Y-%m-%d %H:%MZ"
    return moment.strftime(form)


def sentence(text: str) -> str:
    """Write a reason as a sentence: a capital, unless it begins with a name, and a full stop."""
    first = text.partition(" ")[0]
    is_name = first == "etcd" or not first.isalpha()
    return f"{text if is_name else text[:1].upper() + text[1:]}{'' if text.endswith('.') else '.'}"


def size(byte_count: float) -> str:
    """Write a number of bytes with a binary unit, such as ``3.1 GiB``."""
    exponent = min(max(int(byte_count), 1).bit_length() - 1, 49) // 10
    return f"{byte_count / 1024**exponent:.{1 if exponent else 0}f} {_UNITS[exponent]}"


def printable(text: str) -> str:
    r"""Write what a terminal would obey, or not show, as an escape such as ``\x1b``."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
