"""Durations as configuration files write them.

Only the type and its text form; nothing here reads a clock.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

import durationpy

# The units of Go's time.ParseDuration (https://pkg.go.dev/time#ParseDuration). durationpy knows
# more (d, w, mm, y); they are refused because "1mm" means a month there and a slip elsewhere.
PATTERN: Final = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$"
MAX_SECONDS: Final = 366 * 24 * 3600  # no setting means more than a year
_MAX_LENGTH: Final = 40  # characters; far above any duration
_GO_DURATION: Final = re.compile(PATTERN)


class Duration(float):
    """A span of time in seconds, never negative, written as Go writes it (``15s``, ``1h30m``)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read a Go-style duration.

        Args:
            text: for example ``5s``, ``250ms``, ``1h30m`` or ``0``.

        Raises:
            ValueError: the text is not one; the message says what one looks like.
        """
        if len(text) > _MAX_LENGTH or not _GO_DURATION.fullmatch(text):
            raise ValueError(f"{text[:_MAX_LENGTH]!r} is not a duration such as 15s, 5m or 1h30m")
        try:
            seconds = durationpy.from_str(text).total_seconds()
        except durationpy.DurationError as error:
            raise ValueError(f"{text!r} is longer than a year") from error
        if seconds > MAX_SECONDS:
            raise ValueError(f"{text!r} is longer than a year")
        return cls(seconds)

    @property
    def milliseconds(self) -> int:
        """The same span in whole milliseconds."""
        return round(self * 1000)

    def __str__(self) -> str:
        """Write the span as Go does."""
        return str(durationpy.to_str(timedelta(seconds=self)))
