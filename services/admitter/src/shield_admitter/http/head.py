"""The head of a request, read strictly: whatever two servers could read differently is refused.

Source: RFC 9112 (HTTP/1.1) and RFC 9110. Refusing bare line feeds, a length together with chunks,
repeated lengths and folded lines leaves no room for request smuggling (RFC 9112, 11.2).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from msgspec import Struct

MAX_HEAD: Final = 16 * 1024  # the API server sends some 300 bytes
END: Final = b"\r\n\r\n"

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE: Final = re.compile(rb"(%s) ([!-~]+) HTTP/([0-9])\.([0-9])" % _TOKEN)
# Header lines up to the empty one; a value has no control characters but tabs.
_FIELDS: Final = re.compile(rb"(?:%s:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*" % _TOKEN)
_LENGTH: Final = re.compile(rb"[0-9]{1,15}")


class HeadError(Exception):
    """The head cannot be served; the connection answers with the status and closes.

    Attributes:
        status: of the answer.
    """

    def __init__(self, status: HTTPStatus, message: str) -> None:
        super().__init__(message)
        self.status = status


class Head(Struct):
    """What the head says.

    Attributes:
        method: as sent.
        path: without the query.
        keep_alive: the client will use the connection again.
        length: bytes of the body; 0 without one, None when it comes in chunks.
        content_type: without parameters, in lower case.
        encoded: the body has a Content-Encoding.
        expects_continue: the client waits for a word before it sends the body.
    """

    method: str
    path: str
    keep_alive: bool
    length: int | None = 0
    content_type: str = ""
    encoded: bool = False
    expects_continue: bool = False


def check_line_ends(part: bytes) -> None:
    """Refuse a bare line feed or carriage return in a head, or in the beginning of one.

    Raises:
        HeadError: there is one.
    """
    pairs = part.count(b"\r\n")
    if part.count(b"\n") != pairs or part.count(b"\r") - part.endswith(b"\r") != pairs:
        raise HeadError(HTTPStatus.BAD_REQUEST, "lines must end with CR LF")


def parse_head(head: bytes) -> Head:
    """Read a head.

    Args:
        head: from the request line to the last header's line end, without the empty line.

    Raises:
        HeadError: not HTTP/1.0 or 1.1, malformed, or ambiguous.
    """
    check_line_ends(head)
    line, _, fields = head.partition(b"\r\n")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise HeadError(HTTPStatus.BAD_REQUEST, "not an HTTP request line")
    method, target, major, minor = match.groups()
    if major != b"1":
        raise HeadError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is served here")
    if not _FIELDS.fullmatch(fields):
        raise HeadError(HTTPStatus.BAD_REQUEST, "malformed header")
    values = _collect(fields)
    modern = minor != b"0"
    if modern and b"host" not in values:
        raise HeadError(HTTPStatus.BAD_REQUEST, "no Host header")
    options = {option.strip() for option in values.get(b"connection", b"").lower().split(b",")}
    return Head(
        method=method.decode("ascii"),
        path=target.partition(b"?")[0].decode("ascii"),
        keep_alive=modern and b"close" not in options,
        length=_body_length(values, modern=modern),
        content_type=values.get(b"content-type", b"")
        .partition(b";")[0]
        .strip()
        .lower()
        .decode("latin-1"),
        encoded=b"content-encoding" in values,
        expects_continue=modern and _expects_continue(values),
    )


# Only these are read; of these, only the two that are lists may stand more than once.
_READ: Final = frozenset(
    {
        b"host",
        b"connection",
        b"content-length",
        b"content-type",
        b"content-encoding",
        b"transfer-encoding",
        b"expect",
    }
)
_LISTS: Final = frozenset({b"connection", b"content-encoding"})


def _collect(fields: bytes) -> dict[bytes, bytes]:
    values: dict[bytes, bytes] = {}
    for line in fields.split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name not in _READ:
            continue
        value = value.strip(b" \t")
        if name in values:
            if name not in _LISTS:
                raise HeadError(HTTPStatus.BAD_REQUEST, f"{name.decode('ascii')} stands twice")
            value = values[name] + b"," + value
        values[name] = value
    return values


def _body_length(values: dict[bytes, bytes], *, modern: bool) -> int | None:
    length = values.get(b"content-length")
    coding = values.get(b"transfer-encoding")
    if coding is None:
        if length is None:
            return 0
        if not _LENGTH.fullmatch(length):
            raise HeadError(HTTPStatus.BAD_REQUEST, "Content-Length is not a number")
        return int(length)
    if length is not None or not modern:
        raise HeadError(HTTPStatus.BAD_REQUEST, "the body's length is told twice")
    if coding.lower() != b"chunked":
        raise HeadError(HTTPStatus.NOT_IMPLEMENTED, "Transfer-Encoding other than chunked")
    return None


def _expects_continue(values: dict[bytes, bytes]) -> bool:
    expectation = values.get(b"expect")
    if expectation is None:
        return False
    if expectation.lower() != b"100-continue":
        raise HeadError(HTTPStatus.EXPECTATION_FAILED, "Expect other than 100-continue")
    return True


# Where the length stands in a head; the digits are all that differs from request to request.
_LENGTH_FIELD: Final = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)


class HeadReader:
    """Reads the heads of one connection, which are nearly always the same but for the length.

    A head that equals an earlier one in every byte but the digits of Content-Length says the same,
    so only those digits are read.
    """

    __slots__ = ("_after", "_after_empty_line", "_before", "_head")

    def __init__(self) -> None:
        self._before = self._after = b""
        self._head: Head | None = None
        self._after_empty_line = False

    def take(self, data: bytes) -> tuple[Head | None, bytes]:
        """Return the head that the bytes begin with, if it is whole, and what lies behind it.

        Args:
            data: not empty; of a head that is not whole all its bytes.

        Raises:
            HeadError: as for `parse_head`, or the head is too large, or there is more than one
                empty line before it.
        """
        while data.startswith(b"\r\n"):
            # RFC 9112, 2.2: at least one is ignored. More cost work and are no request.
            if self._after_empty_line:
                raise HeadError(HTTPStatus.BAD_REQUEST, "empty lines before the request")
            self._after_empty_line = True
            data = data[2:]
        end = data.find(END)
        if end < 0:
            check_line_ends(data)
        if max(end, len(data) if end < 0 else 0) > MAX_HEAD:
            raise HeadError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the head is above {MAX_HEAD} bytes"
            )
        if end < 0:
            return None, data
        self._after_empty_line = False
        return self.read(data[: end + 2]), data[end + 4 :]

    def read(self, head: bytes) -> Head:
        """Do as `parse_head` does."""
        field = _LENGTH_FIELD.search(head)
        if field is None:
            return parse_head(head)
        start, end = field.span(1)
        if (
            self._head is not None
            and len(self._before) == start
            and head.startswith(self._before)
            and head[end:] == self._after
        ):
            self._head.length = int(field[1])
            return self._head
        parsed = parse_head(head)
        self._before, self._after, self._head = head[:start], head[end:], parsed
        return parsed
