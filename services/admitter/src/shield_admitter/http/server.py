"""Accept, limit, time out, evict and drain TLS connections.

Connections are accepted here and not by ``loop.create_server``, which does not report a
handshake that fails and offers no way to end one: neither could be counted, and clients that never
finish their handshake could not be evicted when the connections are used up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from shield_admitter.http import limits
from shield_admitter.http.connection import Connection, State
from shield_admitter.http.head import KnownHeads
from shield_admitter.http.messages import Rejection, error_response
from shield_common import logs
from shield_common.lifecycle import BackgroundTask
from shield_common.listen import listen

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from shield_admitter.http.messages import Handler, Response

SWEEP_SECONDS: Final = 0.5
ACCEPT_PAUSE_SECONDS: Final = 0.1  # while the process is out of file descriptors

_FORBIDDEN: Final = error_response(
    HTTPStatus.FORBIDDEN, "the client certificate has none of the allowed names"
)


class Server:
    """Serves one `Handler`.

    Attributes:
        handler: answers the requests.
        body_memory: memory for large bodies, shared by all connections.
        known_heads: heads that need not be parsed again, of all connections.
        draining: every answer asks its client to close the connection.
        date: the Date header line of answers.
        time: the clock of all deadlines, in seconds.
        call_soon: calls a function in the next turn of the event loop.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        context: ssl.SSLContext | None,
        max_connections: int,
        time: Callable[[], float],
        random: Callable[[], float],
        call_soon: Callable[[Callable[[], None]], object],
        client_names: Sequence[str] = (),
        on_handshake_failure: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep the collaborators; nothing is opened yet.

        Args:
            handler: answers the requests.
            context: TLS; None serves plain HTTP, for tests.
            max_connections: handshakes included.
            time: a monotonic clock, in seconds.
            random: a random number from 0 to 1.
            call_soon: the event loop's.
            client_names: a client's certificate must have one of these names; empty allows any.
            on_handshake_failure: called for every failed TLS handshake.
        """
        self.handler = handler
        self.body_memory = limits.BodyMemory()
        self.known_heads = KnownHeads()
        self.draining = False
        self.date = b""
        self.time = time
        self.call_soon = call_soon
        self._random = random
        self._context = context
        self._max_connections = max_connections
        self._client_names = frozenset(client_names)
        self._on_handshake_failure = on_handshake_failure
        self._connections: dict[Connection, asyncio.Task[None] | None] = {}
        self._sockets: list[socket.socket] = []
        self._acceptors: list[BackgroundTask] = []
        self._sweeping = BackgroundTask("sweep", self._sweep)
        self._all_closed = asyncio.Event()
        self._refuses_clients = False
        self._log = logs.get(__name__)
        self._set_date()

    @property
    def connections(self) -> int:
        """Number of clients, handshakes included."""
        return len(self._connections)

    @property
    def in_flight(self) -> int:
        """Number of connections on which a part of a request has arrived."""
        return sum(connection.has_request for connection in self._connections)

    @property
    def port(self) -> int:
        """The first port that is listened on."""
        return int(self._sockets[0].getsockname()[1])

    async def start(self, address: str) -> None:
        """Listen.

        Args:
            address: as `shield_common.listen.listen` takes it.

        Raises:
            OSError: the address cannot be bound.
        """
        self._sockets = await listen(address)
        self._acceptors = [
            BackgroundTask("accept", partial(self._accept_from, listener))
            for listener in self._sockets
        ]
        for task in (self._sweeping, *self._acceptors):
            await task.start()

    async def stop(self, *, within: float) -> None:
        """Stop accepting, finish what is in flight, and close.

        A client whose handshake has just ended is about to send its request (with TLS 1.3 it may
        regard the handshake as finished before the server does), so unused connections are waited
        for.

        Args:
            within: seconds after which open connections are aborted.
        """
        self.draining = True
        deadline = self.time() + within
        for task in self._acceptors:
            await task.stop()
        for listener in self._sockets:
            listener.close()
        handshakes = [task for task in self._connections.values() if task is not None]
        if handshakes:
            await asyncio.wait(handshakes, timeout=within)
        for connection, handshake in list(self._connections.items()):
            if connection.state is State.HANDSHAKE:
                self._evict(connection, handshake)
            elif connection.state is State.IDLE and not connection.is_unused:
                connection.close()
        self._all_closed.clear()
        if self._connections:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, deadline - self.time())):
                    await self._all_closed.wait()
        for connection in list(self._connections):
            connection.abort()
        await self._sweeping.stop()

    async def _accept_from(self, listener: socket.socket) -> None:
        """Accept until cancelled; being out of file descriptors is survived."""
        is_failing = False
        while True:
            try:
                client, _ = await asyncio.get_running_loop().sock_accept(listener)
            except OSError as error:
                if not is_failing:
                    self._log.warning("cannot accept connections", problem=str(error))
                is_failing = True
                await asyncio.sleep(ACCEPT_PAUSE_SECONDS)
            else:
                is_failing = False
                self.accept(client)

    def accept(self, client: socket.socket) -> None:
        """Begin a client's handshake, if there is room or another connection can be evicted."""
        if len(self._connections) >= self._max_connections and not self._evict_one():
            client.close()
            if not self._refuses_clients:
                self._refuses_clients = True
                self._log.warning("too many connections", limit=self._max_connections)
            return
        self._refuses_clients = False
        connection = Connection(self, max_requests=self._max_requests())
        task = asyncio.get_running_loop().create_task(self._handshake(client, connection))
        self._connections[connection] = task
        task.add_done_callback(lambda done: self._handshake_done(done, client, connection))

    def connection_opened(
        self, connection: Connection, certificate: dict[str, Any]
    ) -> Response | None:
        """Register a connection that has finished its handshake.

        Args:
            connection: that connection.
            certificate: as ``ssl.SSLObject.getpeercert`` returns it; empty without one.

        Returns:
            The answer to all its requests if its certificate has none of the allowed names.
        """
        if connection not in self._connections:
            connection.abort()  # evicted in the moment in which its handshake ended
            return None
        if not self._client_names or self._client_names & _certificate_names(certificate):
            return None
        self.handler.count_rejection(Rejection.CLIENT_NAME)
        return _FORBIDDEN

    def connection_closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)
        if not self._connections:
            self._all_closed.set()

    def _max_requests(self) -> int:
        return round(limits.REQUESTS_PER_CONNECTION * (0.5 + self._random()))

    def _evict_one(self) -> bool:
        """Evict the least valuable connection; False if all are worth more than a new one.

        While bodies arrive, connections that have served requests stay: a flood of half-sent
        requests must not push out the API server's idle connection.
        """
        victim = min(self._connections, key=_eviction_order)
        if victim.state is State.BODY:
            return False
        has_served = victim.state is State.IDLE and not victim.is_unused
        if has_served and any(other.state is State.BODY for other in self._connections):
            return False
        self._evict(victim, self._connections[victim])
        return True

    def _evict(self, connection: Connection, handshake: asyncio.Task[None] | None) -> None:
        self._connections.pop(connection)
        if connection.state is not State.HANDSHAKE:
            connection.evict()
        elif handshake is not None:
            handshake.cancel()

    async def _handshake(self, client: socket.socket, connection: Connection) -> None:
        tls = self._context is not None
        try:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                client,
                ssl=self._context,
                ssl_handshake_timeout=limits.HANDSHAKE_SECONDS if tls else None,
                ssl_shutdown_timeout=limits.TLS_SHUTDOWN_SECONDS if tls else None,
            )
        except (OSError, TimeoutError):  # includes ssl.SSLError
            self._on_handshake_failure()
            client.close()

    def _handshake_done(
        self, task: asyncio.Task[None], client: socket.socket, connection: Connection
    ) -> None:
        if task.cancelled():  # perhaps before it began
            client.close()
        if connection.state is State.HANDSHAKE:
            self.connection_closed(connection)
        elif connection in self._connections:
            self._connections[connection] = None

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._set_date()
            now = self.time()
            for connection in list(self._connections):
                connection.check_deadlines(now)

    def _set_date(self) -> None:
        self.date = b"Date: %s\r\n" % formatdate(usegmt=True).encode("ascii")


# The order of eviction; within a rank the oldest connection is first.
_RANKS: Final = {
    State.HANDSHAKE: 0,
    State.HEAD: 0,
    State.LINGER: 1,  # the client may still read the answer
    State.CLOSING: 1,
    State.IDLE: 3,
    State.BODY: 4,  # never evicted: the body has a short deadline
}
_UNUSED_RANK: Final = 2  # idle, and has not sent a request yet


def _eviction_order(connection: Connection) -> tuple[int, float]:
    is_unused = connection.state is State.IDLE and connection.is_unused
    return _UNUSED_RANK if is_unused else _RANKS[connection.state], connection.deadline


def _certificate_names(certificate: dict[str, Any]) -> frozenset[str]:
    """Return the common names and DNS names of a verified certificate."""
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    return frozenset(
        [value for kind, value in subject if kind == "commonName"]
        + [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    )
