"""The HTTP port for metrics, probes and status that all services serve beside their main work.

Liveness reports that the event loop runs, and nothing about the outside: restarting a process does
not repair Redis. Readiness is the service's own answer. The port is plain HTTP and open to every
pod that may reach it, so connections, heads and waiting times are bounded, and answering may take
half of the event loop's time at most: the other half is the service's own.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final, cast

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder

from shield_common.listen import listen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from aiohttp.typedefs import Handler
    from aiohttp.web_protocol import RequestHandler
    from prometheus_client import CollectorRegistry

# The library's `_created` series would double the number of counters, and no panel uses them.
disable_created_metrics()  # type: ignore[no-untyped-call]

SHUTDOWN_SECONDS: Final = 1.0  # a scrape or a probe that takes longer is not worth waiting for

# Prometheus, the kubelet and some people with the status page open need fewer than twenty.
MAX_CONNECTIONS: Final = 100
# From connecting to the end of the first request's head.
HEAD_SECONDS: Final = 10.0
# From one request to the end of the next one's head; longer than the usual scrape interval.
IDLE_SECONDS: Final = 75.0
# Received bytes for each request. A browser's cookies for the host are the most that is usual.
MAX_REQUEST_BYTES: Final = 32 * 1024
# Answered at once, whatever else is asked: the kubelet restarts a pod that does not answer in time.
_PROBES: Final = frozenset({"/livez", "/readyz", "/healthz"})
_LINGER_SECONDS: Final = 1.0  # for the rest of a body that nothing reads


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether a service wants traffic, and the state of each thing that it depends on.

    Attributes:
        ready: the answer.
        checks: name of a thing -> ``ok`` or its problem.
    """

    ready: bool
    checks: Mapping[str, str] = field(default_factory=dict)


def probes_app(
    *,
    registry: CollectorRegistry,
    readiness: Callable[[], Readiness],
    routes: Iterable[web.RouteDef] = (),
) -> web.Application:
    """Build the application: ``/metrics``, ``/livez``, ``/readyz``, ``/healthz``.

    Args:
        registry: shown by ``/metrics``.
        readiness: called for every ``/readyz`` and ``/healthz``; must not block.
        routes: a service's own additions.
    """

    async def metrics(request: web.Request) -> web.Response:
        body, content_type = _exposition(registry, request.headers.get("Accept", ""))
        return web.Response(body=body, headers={"Content-Type": content_type})

    async def live(_request: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def ready(_request: web.Request) -> web.Response:
        answer = readiness()
        return web.Response(
            status=200 if answer.ready else 503,
            body=msgspec.json.encode({"ready": answer.ready, "checks": answer.checks}),
            content_type="application/json",
        )

    app = web.Application()
    app.add_routes(
        [
            web.get("/metrics", metrics),
            web.get("/livez", live),
            web.get("/readyz", ready),
            web.get("/healthz", ready),
            *routes,
        ]
    )
    return app


def _exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the metrics in the format that a scraper accepts, and its content type.

    A format whose parameters cannot be read gets the plain text format, as an unknown one does:
    Prometheus tells them apart by the answer's content type.
    """
    try:
        encode, content_type = choose_encoder(accept)
        # The content type repeats parameters of the request.
        if content_type.isascii() and content_type.isprintable():
            return encode(registry), content_type
    except (ValueError, TypeError):
        pass
    return generate_latest(registry), CONTENT_TYPE_PLAIN_0_0_4


class ProbesServer:
    """Serves an application on an address until stopped, within bounds.

    Attributes:
        connections: how many are open.
    """

    def __init__(
        self,
        app: web.Application,
        *,
        listen: str,
        max_connections: int = MAX_CONNECTIONS,
        head_seconds: float = HEAD_SECONDS,
        idle_seconds: float = IDLE_SECONDS,
        time: Callable[[], float] = monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Keep the collaborators; nothing is opened yet.

        Args:
            app: what is served.
            listen: as `shield_common.listen.listen` takes it.
            max_connections: how many may be open.
            head_seconds: from connecting to the end of the first request's head.
            idle_seconds: from one request to the end of the next one's head.
            time: a monotonic clock, in seconds.
            sleep: waits for some seconds.
        """
        app.middlewares.append(self._mark_request)
        app.middlewares.append(self._take_turns)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            logger=_server_logger(),
            shutdown_timeout=SHUTDOWN_SECONDS,
            lingering_time=_LINGER_SECONDS,
            keepalive_timeout=idle_seconds,
            # A client that is gone must not keep its place in the queue.
            handler_cancellation=True,
        )
        self._turn = asyncio.Lock()
        self._time = time
        self._sleep = sleep
        self._listen = listen
        self._max_connections = max_connections
        self._head_seconds = head_seconds
        self._idle_seconds = idle_seconds
        self._servers: list[asyncio.Server] = []
        # In the order of their last request, so that the first is the one to evict.
        self._connections: dict[asyncio.BaseProtocol, _Connection] = {}

    @property
    def connections(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        for opened in await listen(self._listen):
            self._servers.append(await loop.create_server(self._connection, sock=opened))

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        for server in self._servers:
            server.close()
        await self._runner.cleanup()
        for connection in list(self._connections.values()):
            connection.close()

    def _connection(self) -> _Connection:
        server = self._runner.server
        assert server is not None  # noqa: S101 - made by setup(), before anything listens
        return _Connection(self, server())

    def opened(self, connection: _Connection) -> None:
        """Count a new connection, and evict another one if there are too many.

        A client that never sent a whole request goes first, so that half-sent requests do not
        evict the scrape that waits for its answer.
        """
        others = list(self._connections.values())
        self._connections[connection.handler] = connection
        connection.expire_in(self._head_seconds)
        if len(others) >= self._max_connections:
            next((other for other in others if other.requests == 0), others[0]).close()

    def closed(self, connection: _Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection.handler, None)

    @web.middleware
    async def _mark_request(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        connection = self._connections.pop(request.protocol, None)
        if connection is not None:
            self._connections[request.protocol] = connection
            connection.request_began(self._idle_seconds)
        return await handler(request)

    @web.middleware
    async def _take_turns(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer one request at a time, and pause for as long as the answer took.

        A status page takes 12 ms. Without turns, clients that ask for it all the time would
        keep the service from its own work. Probes only give way once, so that many of them in one
        segment are not answered in one go.
        """
        if request.path in _PROBES:
            await self._sleep(0)
            return await handler(request)
        async with self._turn:
            started = self._time()
            try:
                return await handler(request)
            finally:
                await self._sleep(self._time() - started)


class _Connection(asyncio.Protocol):
    """Passes a connection on to aiohttp's handler, within a time and a number of bytes.

    aiohttp bounds single header fields, but neither a whole head nor the time that it takes.

    Attributes:
        handler: aiohttp's, for this connection.
        requests: how many heads were complete so far.
    """

    def __init__(self, server: ProbesServer, handler: RequestHandler) -> None:
        self.handler = handler
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._received = 0
        self.requests = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.handler.connection_made(transport)
        self._server.opened(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._server.closed(self)
        self.handler.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_REQUEST_BYTES:
            self.close()
        else:
            self.handler.data_received(data)

    def eof_received(self) -> None:
        self.handler.eof_received()

    def pause_writing(self) -> None:
        self.handler.pause_writing()

    def resume_writing(self) -> None:
        self.handler.resume_writing()

    def request_began(self, seconds: float) -> None:
        """Begin the time and the bytes of the next request; this one's head is complete."""
        self._received = 0
        self.requests += 1
        self.expire_in(seconds)

    def expire_in(self, seconds: float) -> None:
        """Close the connection after this time without another request."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self.close)

    def close(self) -> None:
        """Close the connection at once; unread answers are lost."""
        if self._transport is not None:
            self._transport.abort()


def _server_logger() -> logging.Logger:
    """Return the logger for aiohttp's server, which quotes malformed requests in tracebacks."""
    logger = logging.getLogger(__name__)
    if _without_quotes not in logger.filters:
        logger.addFilter(_without_quotes)
    return logger


def _without_quotes(record: logging.LogRecord) -> bool:
    """Replace aiohttp's report of a malformed request, which may contain a token."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError | web.RequestPayloadError):
        record.msg = "malformed request on the metrics port refused (%s)"
        record.args = (type(error).__name__,)
        record.exc_info = None
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True
