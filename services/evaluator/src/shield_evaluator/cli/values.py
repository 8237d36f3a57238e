"""Values on the command line: spans, sizes, shares, rates, each with its sentence if it is none."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import click

from shield_common.config.types import Duration, Size

if TYPE_CHECKING:
    from click import Context, Parameter

_RATE: Final = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,9})?)/([smh])$")
_SHARE: Final = re.compile(r"^([0-9]{1,9}(?:\.[0-9]{1,9})?)(%?)$")
_PER_SECOND: Final = {"s": 1, "m": 60, "h": 3600}
NEVER: Final = "never"


class SecondsType(click.ParamType[int]):
    """A span in whole seconds, such as ``20m``; at least one."""

    name = "duration"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> int:
        """Return seconds."""
        if isinstance(value, int):
            return value
        try:
            seconds = round(Duration.parse(str(value)))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds < 1:
            self.fail(f"{value!r} must be at least 1s", param, ctx)
        return seconds


class SecondsOrNeverType(SecondsType):
    """A span in whole seconds, or ``never``, which is 0."""

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> int:
        """Return seconds; 0 for never."""
        return 0 if value == NEVER else super().convert(value, param, ctx)


class SizeType(click.ParamType[int]):
    """A number of bytes, such as ``8Gi``."""

    name = "size"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> int:
        """Return bytes."""
        try:
            return Size.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class ShareType(click.ParamType[float]):
    """A share, such as ``15%`` or ``0.15``."""

    name = "share"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> float:
        """Return the share; 1 is all."""
        match = _SHARE.match(str(value))
        share = float(match[1]) / (100 if match[2] else 1) if match is not None else -1.0
        if not 0 <= share <= 1:
            self.fail(f"{str(value)[:40]!r} is not a share such as 15% or 0.15", param, ctx)
        return share


class RateType(click.ParamType[float]):
    """Runs per time, such as ``3/s`` or ``40/m``."""

    name = "rate"

    def convert(self, value: object, param: Parameter | None, ctx: Context | None) -> float:
        """Return runs per second."""
        match = _RATE.match(str(value))
        if match is None:
            self.fail(f"{str(value)[:40]!r} is not a rate such as 3/s or 40/m", param, ctx)
        return float(match[1]) / _PER_SECOND[match[2]]


class SpanType(click.ParamType[tuple[int, int]]):
    """A stretch from one time to another, such as ``15m-30m``, counted from the begin."""

    name = "span"

    def convert(
        self, value: object, param: Parameter | None, ctx: Context | None
    ) -> tuple[int, int]:
        """Return its two ends in seconds."""
        first, dash, last = str(value).partition("-")
        try:
            start, end = round(Duration.parse(first)), round(Duration.parse(last))
        except ValueError:
            start, end = 0, 0
        if not dash or start >= end:
            self.fail(f"{str(value)[:40]!r} is not a stretch such as 15m-30m", param, ctx)
        return start, end


class PartType(click.ParamType[tuple[str, float]]):
    """A tier, or a tier's share of the runs, such as ``background=0.3``."""

    name = "tier"

    def convert(
        self, value: object, param: Parameter | None, ctx: Context | None
    ) -> tuple[str, float]:
        """Return the tier and its share."""
        tier, equals, share = str(value).partition("=")
        return tier, ShareType().convert(share, param, ctx) if equals else 1.0


SECONDS: Final = SecondsType()
SECONDS_OR_NEVER: Final = SecondsOrNeverType()
SIZE: Final = SizeType()
SHARE: Final = ShareType()
RATE: Final = RateType()
SPAN: Final = SpanType()
PART: Final = PartType()
