"""One connection with a transport and a handler that remember, and a clock that is set."""

import asyncio
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from shield_admitter.http.connection import Connection
from shield_admitter.http.messages import RequestHead, Response, error_response
from shield_admitter.http.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"

_ANSWER = re.compile(rb"HTTP/1\.1 (\d+)[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")


def answers(written: bytes) -> list[str]:
    """Return the statuses of all answers, with ``close`` behind those that announce it."""
    return [
        status.decode() + (" close" if b"Connection: close\r\n" in headers else "")
        for status, headers in _ANSWER.findall(written)
    ]


class Transport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.unsent = 0
        self.ended = ""
        self.reading = True

    def write(self, data: Any) -> None:
        assert not self.ended
        self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered here."""

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Echo:
    """A handler that remembers bodies and rejections."""

    def __init__(self) -> None:
        self.max_body = 1_000_000
        self.bodies: list[bytes] = []
        self.heads: list[RequestHead] = []
        self.rejections: list[str] = []

    def check_head(self, head: RequestHead) -> Response | None:
        self.heads.append(head)
        if head.path == b"/no":
            return error_response(HTTPStatus.NOT_FOUND, "no")
        return None

    def respond(self, head: RequestHead, body: bytes | bytearray) -> Response:
        assert head == self.heads[-1]
        self.bodies.append(bytes(body))
        if body == b"bug":
            raise RuntimeError("a bug")
        return Response(b"{}")

    def count_rejection(self, reason: str) -> None:
        self.rejections.append(reason)


class Exchange(Server):
    """A server that does not listen, and its only connection."""

    def __init__(self, **changes: Any) -> None:
        self.now = 0.0
        self.echo = Echo()
        self.turns: list[Callable[[], None]] = []
        options: dict[str, Any] = {
            "context": None,
            "max_connections": 10,
            "time": lambda: self.now,
            "random": lambda: 0.5,
            "call_soon": self.turns.append,
        }
        super().__init__(self.echo, **(options | changes))
        self.transport = Transport()
        self.connection = Connection(self, max_requests=1000)
        self.connection.connection_made(self.transport)

    def connection_opened(self, connection: Connection, certificate: Any) -> Response | None:
        """Register the connection, which did not come through `Server.accept`."""
        self._connections[connection] = None
        return super().connection_opened(connection, certificate)

    def reconnect(self, *, max_requests: int) -> None:
        """Open another connection, which ends after this number of requests."""
        self.transport = Transport()
        self.connection = Connection(self, max_requests=max_requests)
        self.connection.connection_made(self.transport)

    def receive(self, *parts: bytes) -> list[str]:
        """Let the connection receive bytes and all that follows; return all its answers so far."""
        for part in parts:
            self.connection.data_received(part)
            while self.turns:
                self.turn()
        return self.answers()

    def answers(self) -> list[str]:
        """Return all answers so far."""
        return answers(self.transport.written)

    def turn(self) -> None:
        """Let one turn of the event loop pass."""
        functions = self.turns.copy()
        self.turns.clear()
        for function in functions:
            function()

    def wait(self, seconds: float) -> None:
        """Set the clock forward, and let deadlines that have passed take effect."""
        self.now += seconds
        self.connection.check_deadlines(self.now)
