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
        if len(text) > 40 or not _GO_DURATION.match(text):  # noqa: PLR2004 - far above any duration
            raise ValueError(f"{text[:40]!r} is not a duration such as 15s, 5m or 1h30m")
        return cls(durationpy.from_str(text).total_seconds())

    @property
    def milliseconds(self) -> int:
        """The same span in whole milliseconds."""
        return round(self * 1000)

    def __str__(self) -> str:
        """Write the span as Go does."""
        return str(durationpy.to_str(timedelta(seconds=self)))
