"""What is accepted of a request's head, beyond what the parser accepts.

llhttp, the parser in httptools, is strict about line ends, lengths and chunks. What it accepts and
two servers could still read differently is rejected here: no Host or two of them, a transfer coding
besides chunked, and a request line that is not exactly ``METHOD TARGET HTTP/1.x`` (RFC 9112, 11.2
explains request smuggling).
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from shield_admitter.http import limits
from shield_admitter.http.messages import Rejection, RequestHead, Response, error_response

if TYPE_CHECKING:
    from collections.abc import Sequence

_VERSIONS: Final = frozenset({"1.0", "1.1"})
# Headers that are read and must not be repeated. llhttp itself refuses a second Content-Length.
_SINGLE_HEADERS: Final = (b"host", b"content-type", b"transfer-encoding", b"expect")
# RFC 9112, 3.2: a Host that is no ``host[:port]`` (RFC 3986, 3.2.2) is answered with 400.
_HOST: Final = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?", re.ASCII
)

_LENGTH: Final = re.compile(rb"\r\nContent-Length: ([0-9]+)\r\n")  # as Go writes it
_MAX_DIGITS: Final = 9  # more than the length of any body needs
_ZERO: Final = ord("0")


class RejectedError(Exception):
    """Raised in a parser callback to stop parsing; `Connection` answers it.

    Attributes:
        response: the answer.
        reason: how it is counted; None if the handler has counted it.
    """

    def __init__(self, response: Response, reason: Rejection | None) -> None:
        super().__init__(response.status)
        self.response = response
        self.reason = reason


def http_rejection(message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> RejectedError:
    """Return the rejection of a request that is malformed, ambiguous or not supported."""
    return RejectedError(error_response(status, message), Rejection.HTTP)


def validate_head(
    method: bytes,
    target: bytes,
    version: str,
    headers: Sequence[tuple[bytes, bytes]],
    *,
    keep_alive: bool,
) -> RequestHead:
    """Return the head, or reject what llhttp accepts and two servers could read differently.

    Args:
        method: as sent.
        target: as sent.
        version: ``1.1`` or another.
        headers: names and values, without Content-Length.
        keep_alive: as llhttp understands version and Connection.
    """
    if version not in _VERSIONS:
        raise http_rejection("only HTTP/1.1 is supported", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    names = [name.lower() for name, _ in headers]
    values = {name.lower(): value for name, value in headers}
    for name in _SINGLE_HEADERS:
        if names.count(name) > 1:
            raise http_rejection(f"duplicate {name.decode('ascii')} header")
    if version == "1.1" and b"host" not in values:
        raise http_rejection("no Host header")
    if not _HOST.fullmatch(values.get(b"host", b"").strip()):
        raise http_rejection("the Host header is no host")
    coding = values.get(b"transfer-encoding")
    if coding is not None:
        if version == "1.0":
            raise http_rejection("Transfer-Encoding in HTTP/1.0")
        if coding.strip().lower() != b"chunked":
            message = "transfer codings other than chunked are not supported"
            raise http_rejection(message, HTTPStatus.NOT_IMPLEMENTED)
    expectation = values.get(b"expect")
    if expectation is not None and expectation.strip().lower() != b"100-continue":
        message = "expectations other than 100-continue are not supported"
        raise http_rejection(message, HTTPStatus.EXPECTATION_FAILED)
    return RequestHead(
        method,
        target.partition(b"?")[0],
        values.get(b"content-type", b"").partition(b";")[0].strip().lower(),
        values.get(b"content-encoding", b""),
        request_line=b"%s %s HTTP/%s\r\n" % (method, target, version.encode("ascii")),
        is_chunked=coding is not None,
        expects_continue=expectation is not None,
        # A client that uses another method is no API server; its next bytes are not worth parsing.
        keep_alive=keep_alive and method == b"POST",
    )


class KnownHeads:
    """Heads that were accepted before, by their bytes.

    A client sends the same head with every request, apart from Content-Length. Parsing and checking
    it takes as much CPU as all that comes after the review's decoding, so it is done once
    (docs/adr/0180). Every byte but the digits of that length has to be the same.

    An API server has one head for each webhook, so they are few, and comparing takes less than
    hashing.
    """

    def __init__(self, limit: int = 8) -> None:
        self._heads: list[tuple[bytes, bytes, RequestHead]] = []
        self._limit = limit

    def find(self, received: bytes) -> tuple[RequestHead, int, int] | None:
        """Return a head, the length of its body, and its own length; None if it has to be parsed.

        Args:
            received: from the first byte of a request line on.
        """
        for before, behind, head in self._heads:
            if received.startswith(before):
                start = len(before)
                end = received.find(b"\r", start, start + _MAX_DIGITS + 1)
                digits = received[start:end]
                # The parser has to see a leading zero.
                if received.startswith(behind, end) and digits.isdigit() and digits[0] != _ZERO:
                    return head, int(digits), end + len(behind)
        return None

    def add(self, raw_head: bytes, head: RequestHead) -> None:
        """Keep a head that was accepted, if it declares a length. The oldest makes room for it."""
        found = _LENGTH.search(raw_head)
        if found is None or len(raw_head) > limits.MAX_HEAD - _MAX_DIGITS:
            return
        known = (raw_head[: found.start(1)], raw_head[found.end(1) :], head)
        if known in self._heads:  # this one arrived in pieces, which `find` does not see
            return
        if len(self._heads) >= self._limit:
            del self._heads[0]
        self._heads.append(known)
