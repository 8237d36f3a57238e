"""Types of settings (durations, sizes, rates, names, links, addresses), with their text's patterns.

Belongs here: how a value is written in a settings file and what is refused before anything starts.
Nothing here opens a file, resolves a name or reads a clock.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final

import durationpy
from msgspec import Meta

# The names of clusters, tiers and signals go into Redis keys, metric labels and sentences: the
# braces of a Redis hash tag, spaces and control characters must not get in.
# Python's `$` also matches before a last newline, hence the (?!\n); JSON Schema's dialect has `$`
# but not `\Z`.
NAME_PATTERN: Final = r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$(?!\n)"
Name = Annotated[str, Meta(pattern=NAME_PATTERN)]

# A link for people is printed unchanged, so it may hold visible ASCII only.
LINK_PATTERN: Final = r"^https?://[!-~]+$(?!\n)"
MAX_LINK: Final = 500  # characters; a link ends messages that the API server cuts off
Link = Annotated[str, Meta(max_length=MAX_LINK, pattern=LINK_PATTERN)]

MAX_PORT: Final = 65535

# The units of Go's time.ParseDuration (https://pkg.go.dev/time#ParseDuration). durationpy knows
# more (d, w, mm, y); they are refused because "1mm" is a month there and a typing error elsewhere.
DURATION_PATTERN: Final = r"^(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h))+)$"
MAX_SECONDS: Final = 366 * 24 * 3600  # no setting means more than a year
_MAX_DURATION_LENGTH: Final = 40  # characters; far above any duration
_DURATION: Final = re.compile(DURATION_PATTERN)

SIZE_PATTERN: Final = r"^[1-9][0-9]{0,11}(Ki|Mi|Gi|KiB|MiB|GiB)?$"
_SIZE: Final = re.compile(SIZE_PATTERN)
RATE_PATTERN: Final = r"^[0-9]{1,9}(\.[0-9]{1,3})?/(s|m|h)$"
_RATE: Final = re.compile(RATE_PATTERN)
_NOT_IN_HOST: Final = re.compile(r"[\s\[\]]")
_RATE_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}
_SIZE_UNITS: Final = {"K": 1024, "M": 1024**2, "G": 1024**3}


class Duration(float):
    """A span of time in seconds, never negative, written as Go writes it (``15s``, ``1h30m``)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Duration:
        """Read a Go-style duration.

        Args:
            text: for example ``5s``, ``250ms``, ``1h30m`` or ``0``.

        Raises:
            ValueError: the text is not a duration; the message gives examples.
        """
        if len(text) > _MAX_DURATION_LENGTH or not _DURATION.fullmatch(text):
            shown = text[:_MAX_DURATION_LENGTH]
            raise ValueError(f"{shown!r} is not a duration such as 15s, 5m or 1h30m")
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


class Size(int):
    """A number of bytes, written ``8388608`` or ``8Mi`` (``8MiB`` is the same)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Size:
        """Read a size in bytes or with a binary suffix, as Kubernetes writes it.

        Raises:
            ValueError: the text is not a size; the message gives examples.
        """
        if not _SIZE.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not a size such as 8Mi or 65536")
        digits = text.rstrip("KMGiB")
        return cls(int(digits) * _SIZE_UNITS.get(text[len(digits) : len(digits) + 1], 1))


class Rate(float):
    """A number of events per second, written with its unit (``60/m``, ``1.5/s``, ``100/h``)."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read a rate.

        Raises:
            ValueError: the text is not a rate; the message gives examples.
        """
        if not _RATE.fullmatch(text):
            raise ValueError(f"{text[:40]!r} is not a rate such as 60/m or 1.5/s")
        number, _, unit = text.partition("/")
        return cls(float(number) / _RATE_SECONDS[unit])

    def __str__(self) -> str:
        """Write the rate per minute."""
        return f"{self * 60:.6g}/m"


def parse_address(text: str) -> tuple[str, int]:
    """Split ``host:port`` (``[::1]:9100`` for IPv6); the host may be empty.

    Returns:
        The host without brackets, and the port.

    Raises:
        ValueError: the text has another form.
    """
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    # isascii as well: a superscript digit is a digit that int() refuses.
    valid_port = port.isascii() and port.isdigit() and int(port) <= MAX_PORT
    host = host[1:-1] if bracketed else host
    if not separator or not valid_port or _NOT_IN_HOST.search(host):
        raise ValueError(f"{text!r} is not host:port")
    return host, int(port)


def can_be_host(name: str) -> bool:
    """Return whether a resolver accepts the name.

    No name has white space or brackets. Python's resolver raises UnicodeError, which clients do
    not expect, for an empty label (``a..b``) and for a label of more than 63 bytes (RFC 1035,
    2.3.4).
    """
    if _NOT_IN_HOST.search(name):
        return False
    try:
        name.encode("idna")
    except UnicodeError:
        return False
    return True
