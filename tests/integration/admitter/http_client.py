"""A client that sends exactly the bytes it is told to."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

from tests.rig.ports import LOOPBACK

ANSWER_SECONDS = 20.0


@dataclass(frozen=True)
class Response:
    """An HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def review(self) -> dict[str, Any]:
        """The AdmissionReview's response."""
        response: dict[str, Any] = json.loads(self.body)["response"]
        return response

    @property
    def closes(self) -> bool:
        """Whether the server says that it closes the connection."""
        return "close" == self.headers.get("connection")


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, trust: ssl.SSLContext | None) -> Self:
        host = None if trust is None else LOOPBACK
        async with asyncio.timeout(ANSWER_SECONDS):
            return cls(
                *await asyncio.open_connection(LOOPBACK, port, ssl=trust, server_hostname=host)
            )

    @property
    def tls(self) -> ssl.SSLObject:
        tls: ssl.SSLObject = self._writer.get_extra_info("ssl_object")
        return tls

    @property
    def is_open(self) -> bool:
        """Whether the server has not closed it."""
        return (
            not self._reader.at_eof()
            and self._reader.exception() is None
            and not self._writer.is_closing()
        )

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        # A server that refuses early may have closed already; its answer is what counts.
        with suppress(ConnectionError):
            await self._writer.drain()

    async def send_strictly(self, data: bytes) -> None:
        """Send, and raise ConnectionError if the server has closed."""
        self._writer.write(data)
        await self._writer.drain()

    def stop_reading(self) -> None:
        """Take nothing more from the socket."""
        self._writer.transport.pause_reading()  # type: ignore[attr-defined] # a read-write transport

    async def receive(self) -> Response:
        async with asyncio.timeout(ANSWER_SECONDS):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.split("\r\n")[:-2]
            pairs = (line.partition(":") for line in lines)
            headers = {name.lower(): value.strip() for name, _, value in pairs}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
        return Response(int(status_line.split()[1]), headers, body)

    async def ask(self, data: bytes) -> Response:
        """Send, and return the answer, which may come before everything is sent."""
        # A reader that begins after the sending finds the reset behind an early answer first.
        answer, _ = await asyncio.gather(self.receive(), self.send(data))
        return answer

    async def closed(self, within: float) -> bool:
        """Whether the server closes the connection in time, whatever it sends before."""
        try:
            async with asyncio.timeout(within):
                while await self._reader.read(65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        self._writer.transport.abort()


@asynccontextmanager
async def connected(port: int, trust: ssl.SSLContext | None) -> AsyncIterator[Client]:
    client = await Client.connect(port, trust)
    try:
        yield client
    finally:
        client.close()


def post(
    body: bytes,
    *lines: str,
    target: str = "/validate?timeout=10s",
    content_type: str = "application/json",
    method: str = "POST",
) -> bytes:
    head = [
        f"{method} {target} HTTP/1.1",
        "Host: shield",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        *lines,
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def chunked(body: bytes, *, size: int = 65536) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    head = (
        b"POST /validate HTTP/1.1\r\nHost: shield\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"
