"""How a server counts its clients, on real sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from shield_admitter.edge.connection import Connection
from shield_admitter.edge.interface import Answer
from shield_admitter.edge.server import Server
from tests.rig.ports import LOOPBACK

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

    meanwhile: Callable[[], None] = staticmethod(lambda: None)

    def opened(self, connection: Connection, certificate: dict[str, Any] | None) -> Answer | None:
        answer = super().opened(connection, certificate)
        self.meanwhile()
        return answer


@pytest.fixture
async def server() -> AsyncIterator[Watched]:
    server = Watched(Service(), context=None, max_connections=2)
    await server.start(LOOPBACK, 0)
    yield server
    await server.stop(within=0)


async def connect(server: Watched) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(LOOPBACK, server.port)


async def test_a_client_is_counted_once_at_any_moment(server: Watched) -> None:
    counted = asyncio.get_running_loop().create_future()
    server.meanwhile = lambda: counted.set_result(server.connections)
    _, writer = await connect(server)
    async with asyncio.timeout(SECONDS):
        assert 1 == await counted
    writer.close()


async def test_who_comes_while_another_gets_through_takes_nobodys_place(server: Watched) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        second = await asyncio.open_connection(*listener.getsockname())
        accepted, _ = listener.accept()
        accepted.setblocking(False)  # noqa: FBT003 - the socket module's own signature
    both = asyncio.Event()

    def admit() -> None:
        server.meanwhile = both.set
        server.admit(accepted)

    server.meanwhile = admit
    first = await connect(server)
    async with asyncio.timeout(SECONDS):
        await both.wait()
    assert 2 == server.connections
    for reader, writer in (first, second):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):  # would be an end of file
                await reader.read(1)
        writer.close()
