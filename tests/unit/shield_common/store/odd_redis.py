"""A server that speaks Redis' protocol and answers chosen commands with something else.

What it stands for: a proxy that changes answers, or another server in Redis' place.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import hiredis

from shield_common.store.settings import RedisSettings

LOOPBACK = "127.0.0.1"
# What a healthy and empty Redis answers, by the command's first word.
USUAL: Mapping[str, bytes] = {
    "GET": b"$-1\r\n",
    "PTTL": b":-2\r\n",
    "PING": b"+PONG\r\n",
    "SET": b"+OK\r\n",
    "SELECT": b"+OK\r\n",
    "AUTH": b"+OK\r\n",
    "HINCRBY": b":1\r\n",
    "HDEL": b":1\r\n",
    "HMGET": b"*1\r\n$-1\r\n",
    "INFO": b"$10\r\n# Memory\r\n\r\n",
    "PUBSUB": b"*2\r\n$1\r\nc\r\n:3\r\n",
    "EVAL": b":1\r\n",
}


class OddRedis:
    """Answers as `USUAL` says, except for commands that have been given another answer.

    Attributes:
        answers: first word of a command -> the bytes that answer it.
        after_subscribe: bytes that follow the confirmation of a subscription.
        connections: how many were accepted.
        open: how many of them the client has not closed.
        subscriptions: how many were confirmed.
    """

    def __init__(self) -> None:
        self.answers: dict[str, bytes] = {}
        self.after_subscribe = b""
        self.connections = 0
        self.open = 0
        self.subscriptions = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            await self._converse(reader, writer)
        except ConnectionResetError:
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        parser = hiredis.Reader()
        while data := await reader.read(65536):
            parser.feed(data)
            while isinstance(command := parser.gets(), list):
                writer.write(self._answer(command))

    def _answer(self, command: list[bytes]) -> bytes:
        word = command[0].decode().upper()
        if word in self.answers:
            return self.answers[word]
        if word == "SUBSCRIBE":
            self.subscriptions += 1
            return bulk_list(b"subscribe", command[1], 1) + self.after_subscribe
        return USUAL.get(word, b"-ERR unknown command\r\n")


def bulk(text: bytes) -> bytes:
    """Encode a string."""
    return b"$%d\r\n%s\r\n" % (len(text), text)


def bulk_list(*items: bytes | int | None) -> bytes:
    """Encode a list of strings, integers and nils."""
    encoded = [
        b":%d\r\n" % item if isinstance(item, int) else b"$-1\r\n" if item is None else bulk(item)
        for item in items
    ]
    return b"*%d\r\n" % len(items) + b"".join(encoded)


@asynccontextmanager
async def odd_redis() -> AsyncIterator[tuple[OddRedis, RedisSettings]]:
    """Serve on a port of its own; yields the server, and the settings that reach it."""
    server = OddRedis()
    async with await asyncio.start_server(server.serve, LOOPBACK, 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield server, RedisSettings(url=f"redis://{LOOPBACK}:{port}/0")
