"""A TCP relay that can stop forwarding without closing anything, as a lost machine does."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

from tests.rig.ports import LOOPBACK


class Relay:
    """Forwards connections to a port on loopback.

    Attributes:
        port: where it listens.
        accepted: how many connections it has taken.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._writers: list[asyncio.StreamWriter] = []
        self._stalled: set[asyncio.StreamWriter] = set()
        self.accepted = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._take, LOOPBACK, 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    def stall(self) -> None:
        """Forward nothing more on the connections that there are; later ones work."""
        self._stalled.update(self._writers)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target)
        self._writers += [writer, far_writer]
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if writer not in self._stalled:
                    writer.write(data)
                    await writer.drain()
        if writer not in self._stalled:
            writer.close()
