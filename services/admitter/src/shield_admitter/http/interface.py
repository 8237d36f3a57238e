"""What the edge asks of whoever knows what requests mean."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
from msgspec import Struct

if TYPE_CHECKING:
    from shield_admitter.http.head import Head


class Answer(Struct, frozen=True):
    """An answer, always JSON.

    Attributes:
        body: the content.
        status: of HTTP.
        headers: more header lines, each with its line end.
        close: do not keep the connection.
    """

    body: bytes
    status: HTTPStatus = HTTPStatus.OK
    headers: bytes = b""
    close: bool = False


def problem(status: HTTPStatus, message: str) -> Answer:
    """Return an answer that says what is wrong and closes the connection."""
    retry = b"Retry-After: 1\r\n" if status is HTTPStatus.SERVICE_UNAVAILABLE else b""
    return Answer(msgspec.json.encode({"error": message}), status, retry, close=True)


# Why the edge itself refused, in one word, for `Service.refused`.
MALFORMED: Final = "http"
TIMEOUT: Final = "timeout"
TOO_LARGE: Final = "too_large"
BUSY: Final = "busy"
NAME: Final = "client_name"
GONE: Final = "client"


class Service(Protocol):
    """Answers requests; nothing in it may wait.

    Attributes:
        max_body: larger bodies are refused with 413.
        closing: every answer asks the client to close its connection.
    """

    max_body: int
    closing: bool

    def refuse(self, head: Head) -> Answer | None:
        """Answer what the head alone shows to be no request to be served, before its body."""
        ...

    def answer(self, body: bytes | bytearray) -> Answer:
        """Answer a request that was not refused."""
        ...

    def refused(self, why: str) -> None:
        """Take note of a request that the edge refused, or of a client that left in the middle."""
        ...

    def connection_length(self) -> int:
        """Say how many requests a new connection is for; the last one's answer closes it."""
        ...
