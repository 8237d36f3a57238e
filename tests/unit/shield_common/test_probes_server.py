"""What a client of the metrics port can do is bounded."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from shield_common.probes import MAX_REQUEST_BYTES, ProbesServer, Readiness, probes_app
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.shows("trial S4")

PATIENCE = 20.0  # seconds; everything here happens at once unless the machine is busy
NEVER = 3600.0
MOST = 5  # connections
HALF = b"GET /livez HTTP/1.1\r\nHost: a\r\n"
WHOLE = HALF + b"\r\n"


def _get(path: bytes) -> bytes:
    return WHOLE.replace(b"/livez", path)


Start = Callable[..., Awaitable[tuple[ProbesServer, int]]]


class Client:
    """One connection to the port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, path: bytes = b"/livez") -> int:
        """Send a whole request, and return the status of its answer."""
        await self.send(_get(path))
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            await self.reader.readexactly(3)
        return int(head.split()[1])

    async def answer(self) -> bytes:
        """Return everything until the server closes the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def start(unused_tcp_port: int) -> AsyncIterator[Start]:
    servers: list[ProbesServer] = []

    async def begin(**bounds: float) -> tuple[ProbesServer, int]:
        app = probes_app(registry=CollectorRegistry(), readiness=lambda: Readiness(ready=True))
        limits = {"max_connections": MOST, "head_seconds": NEVER, "idle_seconds": NEVER} | bounds
        server = ProbesServer(
            app,
            listen=f"{LOOPBACK}:{unused_tcp_port}",
            max_connections=int(limits["max_connections"]),
            head_seconds=limits["head_seconds"],
            idle_seconds=limits["idle_seconds"],
        )
        await server.start()
        servers.append(server)
        return server, unused_tcp_port

    yield begin
    for server in servers:
        await server.stop()


@pytest.fixture
async def connect() -> AsyncIterator[Callable[[int], Awaitable[Client]]]:
    clients: list[Client] = []

    async def open_connection(port: int) -> Client:
        clients.append(Client(*await asyncio.open_connection(LOOPBACK, port)))
        return clients[-1]

    yield open_connection
    for client in clients:
        client.close()


Connect = Callable[[int], Awaitable[Client]]


class Page:
    """A page that takes 50 ms on a clock that only the page moves, and the pauses after it."""

    SECONDS = 0.05

    def __init__(self) -> None:
        self.now = 0.0
        self.answers = 0
        self.pauses: list[float] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def answer(self, _request: web.Request) -> web.Response:
        self.now += self.SECONDS
        self.answers += 1
        return web.Response(text="ok\n")

    async def sleep(self, seconds: float) -> None:
        if seconds:
            self.pauses.append(seconds)
            await self.may_go_on.wait()


@pytest.fixture
async def page(unused_tcp_port: int) -> AsyncIterator[Page]:
    page = Page()
    app = probes_app(
        registry=CollectorRegistry(),
        readiness=lambda: Readiness(ready=True),
        routes=[web.get("/", page.answer)],
    )
    server = ProbesServer(
        app, listen=f"{LOOPBACK}:{unused_tcp_port}", time=lambda: page.now, sleep=page.sleep
    )
    await server.start()
    yield page
    page.may_go_on.set()
    await server.stop()


async def test_the_service_gets_as_much_time_as_the_answers(
    page: Page, connect: Connect, unused_tcp_port: int
) -> None:
    client = await connect(unused_tcp_port)
    assert [200, 200] == [await client.ask(b"/"), await client.ask(b"/")]
    assert [Page.SECONDS] * 2 == pytest.approx(page.pauses)


async def test_pages_are_made_one_after_the_other_and_probes_do_not_wait_for_them(
    page: Page, connect: Connect, unused_tcp_port: int
) -> None:
    page.may_go_on.clear()
    first, second, kubelet = [await connect(unused_tcp_port) for _ in range(3)]
    await first.send(_get(b"/"))
    await wait_until(lambda: page.answers == 1, within=PATIENCE, what="the first page")
    await second.send(_get(b"/"))
    assert 200 == await kubelet.ask()
    assert 1 == page.answers
    page.may_go_on.set()
    await wait_until(lambda: page.answers == 2, within=PATIENCE, what="the second page")


async def test_a_client_that_is_gone_does_not_wait_any_more(
    page: Page, connect: Connect, unused_tcp_port: int
) -> None:
    page.may_go_on.clear()
    first, gone, last = [await connect(unused_tcp_port) for _ in range(3)]
    await first.send(_get(b"/"))
    await wait_until(lambda: page.answers == 1, within=PATIENCE, what="the first page")
    await gone.send(_get(b"/"))
    gone.close()
    assert 200 == await last.ask()  # so that the end of the connection has arrived
    page.may_go_on.set()
    assert 200 == await last.ask(b"/")
    assert 2 == page.answers


async def test_a_connection_serves_several_requests(start: Start, connect: Connect) -> None:
    _, port = await start()
    client = await connect(port)
    assert [200, 200, 200] == [await client.ask() for _ in range(3)]


@pytest.mark.parametrize("sent", [b"", b"G", HALF], ids=["nothing", "a byte", "half a head"])
async def test_a_head_that_does_not_arrive_in_time_ends_the_connection(
    start: Start, connect: Connect, sent: bytes
) -> None:
    _, port = await start(head_seconds=0.05)
    client = await connect(port)
    await client.send(sent)
    assert b"" == await client.answer()


async def test_an_idle_connection_ends(start: Start, connect: Connect) -> None:
    _, port = await start(idle_seconds=0.5)
    client = await connect(port)
    assert 200 == await client.ask()
    assert b"" == await client.answer()


async def test_a_second_half_head_ends_the_connection(start: Start, connect: Connect) -> None:
    _, port = await start(idle_seconds=0.5)
    client = await connect(port)
    assert 200 == await client.ask()
    await client.send(HALF)
    assert b"" == await client.answer()


async def test_many_half_requests_hold_a_bounded_number_of_connections(
    start: Start, connect: Connect
) -> None:
    server, port = await start()
    header = b"X-%d: " + b"x" * 8000 + b"\r\n"
    for number in range(30):
        client = await connect(port)
        await client.send(HALF)
        for field in range(3):
            await client.send(header % field)
        assert server.connections <= MOST, number
    await wait_until(
        lambda: server.connections == MOST, within=PATIENCE, what="the rest to be evicted"
    )


async def test_half_requests_do_not_evict_a_client_that_asks(
    start: Start, connect: Connect
) -> None:
    _, port = await start()
    scraper = await connect(port)
    assert 200 == await scraper.ask()
    for _ in range(3 * MOST):
        await (await connect(port)).send(HALF)
    assert 200 == await scraper.ask()


async def test_half_requests_do_not_keep_a_new_client_out(start: Start, connect: Connect) -> None:
    _, port = await start()
    for _ in range(3 * MOST):
        await (await connect(port)).send(HALF)
    assert 200 == await (await connect(port)).ask()


async def test_idle_clients_do_not_keep_a_new_client_out(start: Start, connect: Connect) -> None:
    _, port = await start()
    for _ in range(2 * MOST):
        assert 200 == await (await connect(port)).ask()
    assert 200 == await (await connect(port)).ask()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HALF + b"X: y\r\n" * MAX_REQUEST_BYTES, id="endless head"),
        pytest.param(
            b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"
            + b"x" * 2 * MAX_REQUEST_BYTES,
            id="body",
        ),
        pytest.param(WHOLE * MAX_REQUEST_BYTES, id="pipeline"),
    ],
)
async def test_more_bytes_than_a_request_needs_end_the_connection(
    start: Start, connect: Connect, data: bytes
) -> None:
    server, port = await start()
    client = await connect(port)
    with suppress(ConnectionError):
        await client.send(data)
    await client.answer()
    await wait_until(lambda: server.connections == 0, within=PATIENCE, what="the connection's end")


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /livez HTTP/1.1\r\nAuthorization Bearer s3cr3t\r\n\r\n",
        b"GET /livez?token=s3cr3t HTTP/9.9\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nAuthorization: s3cr3t\x00\r\n\r\n",
        b"s3cr3t /livez HTTP/1.1\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nX-s3cr3t: " + b"s3cr3t" * 2000 + b"\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nContent-Length: s3cr3t\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\ns3cr3t\r\n",
        b"GET http://[::1/livez?s3cr3t HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    ids=["no colon", "version", "null", "method", "long field", "length", "chunk", "target"],
)
async def test_a_malformed_request_is_refused_and_not_quoted_in_the_log(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture, request_: bytes
) -> None:
    _, port = await start()
    client = await connect(port)
    with caplog.at_level(logging.DEBUG):
        await client.send(request_)
        answer = await client.answer()
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert "s3cr3t" not in caplog.text
    assert "Traceback" not in caplog.text
    assert "malformed request" in caplog.text


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
async def test_a_body_that_cannot_be_decoded_is_logged_without_a_traceback(
    start: Start, connect: Connect, caplog: pytest.LogCaptureFixture, encoding: bytes
) -> None:
    head = b"POST /livez HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nContent-Encoding: "
    server, port = await start()
    client = await connect(port)
    with caplog.at_level(logging.DEBUG):
        await client.send(head + encoding + b"\r\nConnection: close\r\n\r\ns3cr3t")
        await wait_until(lambda: bool(caplog.records), within=PATIENCE, what="a log line")
        await wait_until(lambda: server.connections == 0, within=PATIENCE, what="the end")
    assert "s3cr3t" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_stopping_closes_what_is_open(start: Start, connect: Connect) -> None:
    server, port = await start()
    client = await connect(port)
    await client.send(HALF)
    await wait_until(lambda: server.connections == 1, within=PATIENCE, what="the connection")
    await server.stop()
    assert b"" == await client.answer()
