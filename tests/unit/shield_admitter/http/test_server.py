"""Accepting, evicting and draining, on real sockets and with a clock that is set."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from shield_admitter.http.connection import SECONDS, Connection, State
from shield_admitter.http.messages import Response
from shield_admitter.http.server import Server
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until
from tests.unit.shield_admitter.http.exchange import REQUEST, Echo, Exchange, answers

WITHIN = 10.0
ROOM = 3


class Counting(Server):
    """A server that counts the connections which have become ready."""

    ready = 0

    def connection_opened(self, connection: Connection, certificate: Any) -> Response | None:
        self.ready += 1
        return super().connection_opened(connection, certificate)


class Site:
    """A server on a port of its own, and clients that do not wait."""

    def __init__(self) -> None:
        self.now = 0.0
        self.echo = Echo()
        self.clients: list[socket.socket] = []
        self.server = Counting(
            self.echo,
            context=None,
            max_connections=ROOM,
            time=lambda: self.now,
            random=lambda: 0.5,
            call_soon=asyncio.get_running_loop().call_soon,
        )

    async def client(self, *, sends: bytes = b"") -> socket.socket:
        """Connect, send, and wait until the server has taken the bytes in."""
        accepted = self.server.ready + 1
        client = socket.create_connection((LOOPBACK, self.server.port))
        client.setblocking(False)  # noqa: FBT003 - the socket module's signature
        self.clients.append(client)
        await wait_until(
            lambda: self.server.ready >= accepted, within=WITHIN, what="the server to accept"
        )
        if sends:
            await self.send(client, sends)
        self.now += 0.1  # the next client is younger
        return client

    async def send(self, client: socket.socket, data: bytes) -> None:
        before = self._progress()
        client.sendall(data)
        await wait_until(
            lambda: self._progress() != before,
            within=WITHIN,
            what="the server to read",
        )

    def _progress(self) -> tuple[int, int]:
        return len(self.echo.bodies), self.server.in_flight

    async def idle(self) -> socket.socket:
        """Return a client between requests."""
        client = await self.client(sends=REQUEST)
        assert await received(client, len(self.answer))
        return client

    @property
    def answer(self) -> bytes:
        exchange = Exchange()
        exchange.receive(REQUEST)
        return exchange.transport.written


async def received(client: socket.socket, length: int) -> bytes:
    data = b""

    def is_complete() -> bool:
        nonlocal data
        try:
            data += client.recv(65536)
        except BlockingIOError:
            return False
        return len(data) >= length

    await wait_until(is_complete, within=WITHIN, what="an answer")
    return data


def is_open(client: socket.socket) -> bool:
    try:
        return b"" != client.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except ConnectionError:
        return False


async def closed(client: socket.socket) -> None:
    await wait_until(lambda: not is_open(client), within=WITHIN, what="the server to close")


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.server.start(f"{LOOPBACK}:0")
    yield site
    await site.server.stop(within=0)
    for client in site.clients:
        client.close()


HALF_HEAD, HALF_BODY = REQUEST[:10], REQUEST[:-1]


async def test_clients_are_counted(site: Site) -> None:
    await site.client()
    await site.client(sends=HALF_HEAD)
    assert (2, 1) == (site.server.connections, site.server.in_flight)
    site.clients[0].close()
    await wait_until(lambda: site.server.connections == 1, within=WITHIN, what="the end")


async def test_a10_deadlines_are_noticed_without_any_bytes(site: Site) -> None:
    client = await site.client(sends=HALF_HEAD)
    site.now += SECONDS[State.HEAD]
    assert ["408 close"] == answers(await received(client, 100))
    site.now += SECONDS[State.LINGER]
    await closed(client)


@pytest.mark.shows("trial S3")
async def test_the_oldest_half_sent_head_is_evicted_before_idle_clients(site: Site) -> None:
    api_server, oldest, younger = (
        await site.idle(),
        await site.client(sends=HALF_HEAD),
        await site.client(sends=HALF_HEAD),
    )
    await site.client()
    await closed(oldest)
    assert [True, True] == [is_open(client) for client in (api_server, younger)]
    assert ["busy"] == site.echo.rejections


async def test_a_silent_client_is_evicted_before_one_that_has_sent_requests(site: Site) -> None:
    api_server, silent, other = await site.idle(), await site.client(), await site.idle()
    await site.client()
    await closed(silent)
    assert [True, True] == [is_open(client) for client in (api_server, other)]


async def test_a_newcomer_takes_the_place_of_the_client_that_is_idle_longest(site: Site) -> None:
    longest, *others = [await site.idle() for _ in range(ROOM)]
    await site.client()
    await closed(longest)
    assert [True, True] == [is_open(client) for client in others]


@pytest.mark.shows("trial S3")
async def test_a_flood_of_newcomers_evicts_only_half_sent_heads(site: Site) -> None:
    api_server = await site.idle()
    for _ in range(3 * ROOM):
        await site.client(sends=HALF_HEAD)
    assert is_open(api_server)
    site.echo.bodies.clear()
    await site.send(api_server, REQUEST)
    assert [b"abc"] == site.echo.bodies


@pytest.mark.parametrize("idle", [0, 1], ids=["all busy", "one idle"])
async def test_a_client_whose_body_arrives_is_never_evicted(site: Site, idle: int) -> None:
    clients = [await site.idle() for _ in range(idle)]
    clients += [await site.client(sends=HALF_BODY) for _ in range(ROOM - idle)]
    newcomer = socket.create_connection((LOOPBACK, site.server.port))
    newcomer.setblocking(False)  # noqa: FBT003 - the socket module's signature
    await closed(newcomer)
    newcomer.close()
    assert [True] * ROOM == [is_open(client) for client in clients]


async def test_a20_stopping_finishes_requests_and_closes_idle_connections(site: Site) -> None:
    idle, busy = await site.idle(), await site.client(sends=HALF_BODY)
    port = site.server.port
    busy.sendall(REQUEST[-1:])  # arrives while the server stops
    await site.server.stop(within=WITHIN)
    assert ["200 close"] == answers(await received(busy, len(site.answer)))
    await closed(idle)
    assert 0 == site.server.connections
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port))


async def test_a20_stopping_ends_in_time_whatever_clients_do(site: Site) -> None:
    client = await site.client(sends=HALF_BODY)
    await site.server.stop(within=0)
    await closed(client)


async def test_a20_while_draining_new_clients_are_still_answered(site: Site) -> None:
    site.server.draining = True
    client = await site.client(sends=REQUEST)
    assert ["200 close"] == answers(await received(client, len(site.answer)))
    await closed(client)


async def test_a_client_that_is_evicted_before_its_connection_is_ready_is_closed(
    site: Site,
) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        for _ in range(ROOM + 1):
            client = socket.create_connection(listener.getsockname())
            accepted, _ = listener.accept()
            for end in (client, accepted):
                end.setblocking(False)  # noqa: FBT003 - the socket module's signature
            site.clients.append(client)
            site.server.accept(accepted)
    assert ROOM == site.server.connections
    first, *others = site.clients
    await closed(first)
    assert [True] * ROOM == [is_open(client) for client in others]


CERTIFICATE: dict[str, Any] = {
    "subject": ((("organizationName", "one"),), (("commonName", "apiserver"),)),
    "subjectAltName": (("DNS", "kube-apiserver"), ("IP Address", "10.0.0.1")),
}


class Client(Exchange):
    """A connection whose client has a certificate."""

    def connection_opened(self, connection: Any, certificate: Any) -> Any:
        return super().connection_opened(connection, certificate or CERTIFICATE)


@pytest.mark.parametrize(
    ("names", "is_allowed"),
    [
        ([], True),
        (["apiserver"], True),
        (["other", "kube-apiserver"], True),
        (["other"], False),
        (["one"], False),
        (["10.0.0.1"], False),
    ],
    ids=["any", "common name", "DNS name", "another", "organization", "address"],
)
def test_a12_only_clients_with_an_allowed_name_are_answered(
    names: list[str], is_allowed: bool
) -> None:
    exchange = Client(client_names=names)
    assert (["200"] if is_allowed else ["403 close"]) == exchange.receive(REQUEST)
    assert ([] if is_allowed else ["client_name"]) == exchange.echo.rejections
    assert ([b"abc"] if is_allowed else []) == exchange.echo.bodies


@pytest.mark.parametrize(
    ("random", "expected"), [(0.0, 500), (0.5, 1000), (1.0, 1500)], ids=["least", "middle", "most"]
)
async def test_connections_end_after_different_numbers_of_requests(
    random: float, expected: int
) -> None:
    server = Server(
        Echo(),
        context=None,
        max_connections=1,
        time=lambda: 0.0,
        random=lambda: random,
        call_soon=asyncio.get_running_loop().call_soon,
    )
    await server.start(f"{LOOPBACK}:0")
    with socket.create_connection((LOOPBACK, server.port)) as client:
        client.setblocking(False)  # noqa: FBT003 - the socket module's signature
        written = b""
        for _ in range(expected // 100):
            client.sendall(REQUEST * 100)
            size = len(answers(written)) + 100

            def is_answered(size: int = size) -> bool:
                nonlocal written
                try:
                    written += client.recv(65536)
                except BlockingIOError:
                    return False
                return len(answers(written)) >= size

            await wait_until(is_answered, within=WITHIN, what="answers")
    await server.stop(within=0)
    assert ["200"] * (expected - 1) + ["200 close"] == answers(written)


async def test_an_address_in_use_is_an_error(site: Site) -> None:
    other = Server(
        Echo(),
        context=None,
        max_connections=1,
        time=lambda: 0.0,
        random=lambda: 0.5,
        call_soon=asyncio.get_running_loop().call_soon,
    )
    with pytest.raises(OSError, match="cannot listen"):
        await other.start(f"{LOOPBACK}:{site.server.port}")
