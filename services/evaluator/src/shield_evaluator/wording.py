"""How times and spans of time read in tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400


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
