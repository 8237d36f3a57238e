"""Requests and responses as the connection and its handler see them.

Parsing belongs to httptools, and the meaning of a request to the handler.
"""

from __future__ import annotations

import enum
from http import HTTPStatus
from typing import Final, Protocol

import msgspec
from msgspec import Struct


class RequestHead(Struct, frozen=True):
    """What the handler and the connection need of a request's head.

    Attributes:
        method: as sent.
        path: without the query.
        content_type: lower case, without parameters; empty if absent.
        content_encoding: as sent; empty if absent.
        request_line: the only accepted spelling of its first line.
        is_chunked: whether the body comes in chunks.
        expects_continue: whether the client waits for 100 Continue.
        keep_alive: whether another request is read from the connection.
    """

    method: bytes
    path: bytes
    content_type: bytes = b""
    content_encoding: bytes = b""
    request_line: bytes = b""
    is_chunked: bool = False
    expects_continue: bool = False
    keep_alive: bool = True


class Response(Struct, frozen=True):
    """A response; the content is always JSON.

    Attributes:
        body: the content.
        status: HTTP status.
        headers: further header lines, each with its CR LF.
        close: close the connection afterwards.
    """

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: bytes = b""
    close: bool = False

    def encode(self, *, date: bytes, close: bool, without_body: bool) -> bytes:
        """Return the bytes to send.

        Args:
            date: the Date header line.
            close: announce that the connection will be closed.
            without_body: leave out the content, as for HEAD (RFC 9110, 9.3.2).
        """
        return b"".join(
            (
                _STATUS_LINES[self.status],
                date,
                self.headers,
                b"Connection: close\r\n" if close else b"",
                b"Content-Length: %d\r\n\r\n" % len(self.body),
                b"" if without_body else self.body,
            )
        )


_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
    % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}


def error_response(
    status: HTTPStatus, message: str, headers: bytes = b"", *, close: bool = False
) -> Response:
    """Return a response that states a problem."""
    return Response(msgspec.json.encode({"error": message}), status, headers, close)


def unavailable(message: str) -> Response:
    """Return the response for a request that should be sent again, on another connection."""
    return error_response(
        HTTPStatus.SERVICE_UNAVAILABLE, message, b"Retry-After: 1\r\n", close=True
    )


class Rejection(enum.StrEnum):
    """Why the server rejected a request, as metrics count it."""

    HTTP = "http"  # not HTTP, or ambiguous
    TIMEOUT = "timeout"  # did not arrive in time
    TOO_LARGE = "too_large"  # body above the limit
    BUSY = "busy"  # no memory for its large body, or evicted for another client
    CLIENT_NAME = "client_name"  # the client certificate has no allowed name
    CLIENT = "client"  # the client disconnected before the request was complete


class Handler(Protocol):
    """Answers requests. No method may block or wait."""

    @property
    def max_body(self) -> int:
        """Bytes; larger bodies are rejected with 413."""
        ...

    def check_head(self, head: RequestHead) -> Response | None:
        """Return a response if the head alone decides it; None to have the body read."""
        ...

    def respond(self, head: RequestHead, body: bytes | bytearray) -> Response:
        """Answer a request whose head passed `check_head`."""
        ...

    def count_rejection(self, reason: str) -> None:
        """Count a request that never reached `respond`."""
        ...
