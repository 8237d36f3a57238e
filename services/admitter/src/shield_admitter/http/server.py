"""Accepting connections, at most so many, over TLS; sweeping them; letting them go in the end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from shield_admitter.http.budget import BodyBudget
from shield_admitter.http.connection import Connection
from shield_admitter.http.interface import NAME, problem
from shield_admitter.http.names import certificate_names
from shield_common import logs
from shield_common.lifecycle import BackgroundTask

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from shield_admitter.http.interface import Answer, Service

BACKLOG: Final = 1024  # connections that wait to be accepted, for when all clients come at once
HANDSHAKE_SECONDS: Final = 5.0
SHUTDOWN_SECONDS: Final = 2.0  # for the peer to agree to the end of TLS
SWEEP_SECONDS: Final = 0.5
SCRATCH_BYTES: Final = 32 * 1024  # a typical review comes whole
ACCEPT_PAUSE_SECONDS: Final = 0.1  # when the process is out of file descriptors

_FORBIDDEN: Final = problem(
    HTTPStatus.FORBIDDEN, "the client certificate bears no name that is allowed here"
)


class Server:
    """Serves one `Service`.

    Attributes:
        service: answers the requests.
        budget: memory for large bodies, shared by all connections.
        scratch: where bytes arrive; each connection takes its own out before another gets it.
        time: the loop's clock.
        call_soon: the loop's.
    """

    def __init__(
        self,
        service: Service,
        *,
        context: ssl.SSLContext | None,
        max_connections: int,
        client_names: Sequence[str] = (),
        on_handshake_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Take what is needed; nothing is opened yet.

        Args:
            service: answers the requests.
            context: TLS; None serves plain HTTP, for tests.
            max_connections: handshakes included.
            client_names: a client's certificate must bear one of these; any will do if empty.
            on_handshake_failure: called for each client that did not get through TLS.
        """
        self.service = service
        self.budget = BodyBudget()
        self.scratch = memoryview(bytearray(SCRATCH_BYTES))
        loop = asyncio.get_running_loop()
        self.time: Callable[[], float] = loop.time
        self.call_soon: Callable[[Callable[[], None]], object] = loop.call_soon
        self._context = context
        self._max_connections = max_connections
        self._client_names = frozenset(client_names)
        self._on_handshake_failure = on_handshake_failure
        self._connections: dict[Connection, None] = {}
        self._handshakes: dict[Connection, asyncio.Task[None]] = {}  # none of _connections
        self._sockets: list[socket.socket] = []
        self._accepting: list[BackgroundTask] = []
        self._sweeping = BackgroundTask("sweep", self._sweep)
        self._empty = asyncio.Event()
        self._full = False
        self._date = b""
        self._log = logs.get(__name__)

    @property
    def connections(self) -> int:
        """How many clients there are, handshakes included."""
        return len(self._connections) + len(self._handshakes)

    @property
    def in_flight(self) -> int:
        """How many connections have sent a part of a request."""
        return sum(connection.has_request for connection in self._connections)

    @property
    def port(self) -> int:
        """The first port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self, host: str, port: int) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be bound.
        """
        self._sockets = _listen(host, port)
        self._set_date()
        self._accepting = [
            BackgroundTask("accept", _Accepting(self, listener).run) for listener in self._sockets
        ]
        for task in (self._sweeping, *self._accepting):
            await task.start()

    async def stop(self, *, within: float) -> None:
        """Take nobody in any more, finish what is under way, and close.

        A client that has just got through TLS is about to send its request, and with TLS 1.3 it may
        believe that it is through before the server does: such clients are waited for.

        Args:
            within: seconds after which what is left is cut off.
        """
        ends = self.time() + within
        for task in self._accepting:
            await task.stop()
        for listener in self._sockets:
            listener.close()
        if self._handshakes:
            await asyncio.wait(list(self._handshakes.values()), timeout=within)
        for handshake in list(self._handshakes.values()):
            handshake.cancel()
        self._empty.clear()
        for connection in list(self._connections):
            if connection.is_idle and not connection.is_fresh:
                connection.close()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    await self._empty.wait()
        for connection in list(self._connections):
            connection.abort()
        await self._sweeping.stop()

    def opened(self, connection: Connection, certificate: dict[str, Any] | None) -> Answer | None:
        """Note a connection; return what all its requests are answered if it is not welcome."""
        if self._handshakes.pop(connection, None) is None:
            connection.abort()  # it was let go in the very moment in which it got through
            return None
        self._connections[connection] = None
        if not self._client_names or not self._client_names.isdisjoint(
            certificate_names(certificate or {})
        ):
            return None
        self.service.refused(NAME)
        return _FORBIDDEN

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._empty.set()

    def render(self, answer: Answer, *, close: bool, bodiless: bool) -> bytes:
        """Write an answer as HTTP/1.1; one to HEAD has no body (RFC 9110, 9.3.2)."""
        return b"".join(
            (
                _STATUS_LINES[answer.status],
                self._date,
                answer.headers,
                b"Connection: close\r\n" if close else b"",
                b"Content-Length: %d\r\n\r\n" % len(answer.body),
                b"" if bodiless else answer.body,
            )
        )

    def admit(self, client: socket.socket) -> None:
        """Take in a client that was accepted, if there is room or room can be made."""
        if self.connections >= self._max_connections and not self._make_room():
            client.close()
            if not self._full:
                self._full = True
                self._log.warning("too many connections", at_most=self._max_connections)
            return
        self._full = False
        connection = Connection(self)
        task = asyncio.get_running_loop().create_task(self._welcome(client, connection))
        self._handshakes[connection] = task
        task.add_done_callback(lambda done: self._welcomed(done, client, connection))

    def _make_room(self) -> bool:
        """Let go whoever waits longest without a request under way."""
        for connection, handshake in self._handshakes.items():
            if handshake.cancel():
                del self._handshakes[connection]
                return True
        idle = [connection for connection in self._connections if connection.is_idle]
        if not idle:
            return False
        min(idle, key=lambda connection: connection.deadline).close()
        return True

    async def _welcome(self, client: socket.socket, connection: Connection) -> None:
        loop = asyncio.get_running_loop()
        tls = self._context is not None
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_SECONDS if tls else None,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS if tls else None,
            )
        except (OSError, TimeoutError):  # includes ssl.SSLError
            self._on_handshake_failure()
            client.close()

    def _welcomed(
        self, task: asyncio.Task[None], client: socket.socket, connection: Connection
    ) -> None:
        self._handshakes.pop(connection, None)
        if task.cancelled():  # perhaps before it began
            client.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._set_date()
            now = self.time()
            for connection in [c for c in self._connections if c.deadline <= now]:
                connection.expire()

    def _set_date(self) -> None:
        self._date = b"Date: %s\r\n" % formatdate(usegmt=True).encode("ascii")


class _Accepting:
    """Takes connections from one listening socket."""

    def __init__(self, server: Server, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self._failing = False

    async def run(self) -> None:
        """Accept until cancelled; being out of file descriptors passes."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                if not self._failing:
                    self._failing = True
                    logs.get(__name__).warning("cannot accept connections", problem=str(error))
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            else:
                self._failing = False
                self._server.admit(client)


def _listen(host: str, port: int) -> list[socket.socket]:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    listeners: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in found:
            listener = socket.socket(family, kind, protocol)
            listeners.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
            listener.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    except OSError:
        for listener in listeners:
            listener.close()
        raise
    return listeners


_STATUS_LINES: Final = {
    status: b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
    % (status.value, status.phrase.encode("ascii"))
    for status in HTTPStatus
}
