"""How a server counts its clients, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from shield_admitter.http.connection import Connection
from shield_admitter.http.interface import Answer
from shield_admitter.http.server import Server
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until

SECONDS = 10


class Service:
    """A service that nobody asks."""

    max_body = 1000
    closing = False

    def refuse(self, _head: object) -> Answer | None:
        raise AssertionError

    def answer(self, _body: bytes | bytearray) -> Answer:
        raise AssertionError

    def refused(self, why: str) -> None:
        raise AssertionError(why)

    def connection_length(self) -> int:
        return 1000


class Watched(Server):
    """A server in which something happens in the very moment in which a client is through."""

    before: Callable[[], None] = staticmethod(lambda: None)
    after: Callable[[], None] = staticmethod(lambda: None)

    def opened(self, connection: Connection, certificate: dict[str, Any] | None) -> Answer | None:
        self.before()
        answer = super().opened(connection, certificate)
        self.after()
        return answer


class Pair:
    """A client and the server's end of its connection, which nobody has admitted yet."""

    def __init__(self) -> None:
        with socket.create_server((LOOPBACK, 0)) as listener:
            self.client = socket.create_connection(listener.getsockname())
            self.accepted, _ = listener.accept()
        for end in (self.client, self.accepted):
            end.settimeout(0)

    @property
    def is_open(self) -> bool:
        try:
            return b"" != self.client.recv(1)
        except BlockingIOError:
            return True

    async def until_closed(self) -> None:
        await wait_until(lambda: not self.is_open, within=SECONDS, what="the server to close")


@pytest.fixture
def pairs() -> Iterator[list[Pair]]:
    pairs = [Pair() for _ in range(3)]
    yield pairs
    for pair in pairs:
        pair.client.close()
        pair.accepted.close()


@pytest.fixture
async def server(pairs: list[Pair]) -> AsyncIterator[Watched]:
    assert pairs  # they are closed after the server has let go of them
    server = Watched(Service(), context=None, max_connections=2)
    await server.start(LOOPBACK, 0)
    yield server
    await server.stop(within=0)


async def test_a_client_is_counted_once_at_any_moment(server: Watched, pairs: list[Pair]) -> None:
    counts: list[int] = []
    server.before = server.after = lambda: counts.append(server.connections)
    server.admit(pairs[0].accepted)
    await wait_until(lambda: len(counts) == 2, within=SECONDS, what="a connection")
    assert [1, 1] == counts


async def test_who_comes_while_another_gets_through_takes_nobodys_place(
    server: Watched, pairs: list[Pair]
) -> None:
    through: list[int] = []

    def admit_another() -> None:
        through.append(server.connections)
        if len(through) == 1:
            server.admit(pairs[1].accepted)

    server.after = admit_another
    server.admit(pairs[0].accepted)
    await wait_until(lambda: len(through) == 2, within=SECONDS, what="two connections")
    assert 2 == server.connections
    await asyncio.sleep(0)
    assert [True, True] == [pair.is_open for pair in pairs[:2]]


async def test_who_is_let_go_while_it_gets_through_is_closed_and_not_counted(
    server: Watched, pairs: list[Pair]
) -> None:
    first, second, third = pairs

    def admit_two() -> None:
        server.before = lambda: None
        server.admit(second.accepted)
        server.admit(third.accepted)
        counts.append(server.connections)

    counts: list[int] = []
    server.before = admit_two
    server.after = lambda: counts.append(server.connections)
    server.admit(first.accepted)
    await first.until_closed()
    await wait_until(lambda: len(counts) >= 4, within=SECONDS, what="the others")
    assert {2} == set(counts)
    assert [True, True] == [second.is_open, third.is_open]


async def test_who_is_let_go_before_its_handshake_began_is_closed(
    server: Watched, pairs: list[Pair]
) -> None:
    for pair in pairs:
        server.admit(pair.accepted)
    await pairs[0].until_closed()
    assert [True, True] == [pair.is_open for pair in pairs[1:]]
