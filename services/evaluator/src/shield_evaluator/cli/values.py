"""Values on the command line: spans, sizes, shares, rates, each with its sentence if it is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

import click

from shield_common.config.types import Duration, Size

if TYPE_CHECKING:
    from collections.abc import Callable

    from click import Context, Parameter

T = TypeVar("T")

_RATE: Final = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])$")
_SHARE: Final = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,9})?)(%?)$")
_PER_SECOND: Final = {"s": 1, "m": 60, "h": 3600}
NEVER: Final = "never"


class Value(click.ParamType[T]):
    """What an option takes; the ValueError of a text that is none becomes the usage error.

    Args:
        name: of the type, in the help.
        read: makes a value of a text.
    """

    def __init__(self, name: str, read: Callable[[str], T]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> T:
        """Return the value of a text."""
        try:
            return self._read(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _seconds(text: str) -> int:
    seconds = round(Duration.parse(text))
    if seconds < 1:
        raise ValueError(f"{text!r} must be at least 1s")
    return seconds


def _seconds_or_never(text: str) -> int:
    return 0 if text == NEVER else _seconds(text)


def _share(text: str) -> float:
    match = _SHARE.match(text)
    share = float(match[1]) / (100 if match[2] else 1) if match is not None else -1.0
    if not 0 <= share <= 1:
        raise ValueError(f"{text[:40]!r} is not a share such as 15% or 0.15")
    return share


def _rate(text: str) -> float:
    match = _RATE.match(text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is not a rate such as 3/s or 40/m")
    return float(match[1]) / _PER_SECOND[match[2]]


def _span(text: str) -> tuple[int, int]:
    first, dash, last = text.partition("-")
    try:
        start, end = round(Duration.parse(first)), round(Duration.parse(last))
    except ValueError:
        start, end = 0, 0
    if not dash or start >= end:
        raise ValueError(f"{text[:40]!r} is not a period such as 15m-30m")
    return start, end


def _part(text: str) -> tuple[str, float]:
    tier, equals, share = text.partition("=")
    return tier, _share(share) if equals else 1.0


SECONDS: Final = Value("duration", _seconds)  # whole ones, such as 20m
SECONDS_OR_NEVER: Final = Value("duration", _seconds_or_never)  # 0 is never
SIZE: Final = Value("size", Size.parse)  # bytes
SHARE: Final = Value("share", _share)  # 15% or 0.15; 1 is all
RATE: Final = Value("rate", _rate)  # runs per second
SPAN: Final = Value("span", _span)  # seconds from the start
PART: Final = Value("tier", _part)  # a tier and its share of the runs
