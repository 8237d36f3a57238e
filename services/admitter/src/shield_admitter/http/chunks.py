"""Bodies in chunks (RFC 9112, 7.1): read piece by piece, and never more than allowed.

Trailer fields are refused: no API server sends any, and nobody here would read them.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from shield_admitter.http.head import HeadError

_SIZE_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[^\x00-\x08\x0a-\x1f\x7f]*)?")
MAX_SIZE_LINE: Final = 256  # a number, and extensions that nobody uses


class TooLargeError(Exception):
    """The chunks together are larger than allowed; the connection answers 413."""


class ChunkedBody:
    """Takes what arrives and puts the body together.

    Attributes:
        body: what has arrived of it.
        rest: bytes behind the body, once it is complete.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting = bytearray()
        self._left = 0  # of the present chunk, with its line end
        self._in_chunk = False
        self._at_end = False
        self.body = bytearray()
        self.rest = b""

    @property
    def held(self) -> int:
        """How many bytes it keeps."""
        return len(self.body) + len(self._waiting)

    def feed(self, data: bytes) -> bool:
        """Take bytes; say whether the body is complete.

        Raises:
            TooLargeError: it is larger than the limit.
            HeadError: these are no chunks.
        """
        self._waiting += data
        while True:
            if self._in_chunk:
                if not self._take_chunk():
                    return False
            elif self._at_end:
                return self._take_end()
            elif not self._take_size():
                return False

    def _take_chunk(self) -> bool:
        content = max(0, self._left - 2)
        part = self._waiting[:content]
        self.body += part
        del self._waiting[: len(part)]
        self._left -= len(part)
        if self._left > 2 or len(self._waiting) < self._left:  # noqa: PLR2004 - the line end, CR LF
            return False
        if self._waiting[:2] != b"\r\n":
            raise HeadError(HTTPStatus.BAD_REQUEST, "a chunk is longer than it says")
        del self._waiting[:2]
        self._in_chunk = False
        return True

    def _take_size(self) -> bool:
        line, end, _ = self._waiting[: MAX_SIZE_LINE + 2].partition(b"\r\n")
        if not end:
            if len(self._waiting) > MAX_SIZE_LINE or b"\n" in line:
                raise HeadError(HTTPStatus.BAD_REQUEST, "malformed chunk size")
            return False
        match = _SIZE_LINE.fullmatch(line)
        if match is None:
            raise HeadError(HTTPStatus.BAD_REQUEST, "malformed chunk size")
        size = int(match[1], 16)
        if len(self.body) + size > self._limit:
            raise TooLargeError
        del self._waiting[: len(line) + 2]
        if size == 0:
            self._at_end = True
        else:
            self._left, self._in_chunk = size + 2, True
        return True

    def _take_end(self) -> bool:
        if not b"\r\n".startswith(self._waiting[:2]):
            raise HeadError(HTTPStatus.BAD_REQUEST, "trailer fields are not served here")
        if len(self._waiting) < 2:  # noqa: PLR2004 - the line end, CR LF
            return False
        self.rest = bytes(self._waiting[2:])
        return True
