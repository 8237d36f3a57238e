"""A Service as kube-proxy implements it: connections go to one of the ready pods."""

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.services import Admitter

LOOK_SECONDS: Final = 0.1  # between two readiness probes; kube-proxy is slower
_CHUNK: Final = 64 * 1024


class Balancer:
    """Forwards TCP connections to ready admitters in turn; with none ready it refuses them.

    Args:
        rig: Gives the port.
        admitters: The pods; the list may be changed.
        failure_threshold: Probes that fail in a row before a pod gets no more connections.
    """

    def __init__(
        self, rig: Rig, admitters: Sequence[Admitter], *, failure_threshold: int = 1
    ) -> None:
        self.port = rig.ports.reserve()
        self._admitters = admitters
        self._ready: list[Admitter] = []
        self._failure_threshold = failure_threshold
        self._failures: Counter[Admitter] = Counter()
        self._turn = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen, and probe the admitters."""
        self._keep(asyncio.create_task(self._look()))
        self._server = await asyncio.start_server(self._accepted, LOOPBACK, self.port)

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            self._server.close()
        tasks = [*self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while True:
            alive = [a for a in self._admitters if a.alive]
            answers = await asyncio.gather(*(a.is_ready() for a in alive))
            self._ready = [
                a for a, ready in zip(alive, answers, strict=True) if self._is_up(a, ready=ready)
            ]
            await asyncio.sleep(LOOK_SECONDS)

    def _is_up(self, admitter: Admitter, *, ready: bool) -> bool:
        """Count a probe, and return whether the pod gets connections."""
        self._failures[admitter] = 0 if ready else self._failures[admitter] + 1
        return ready or (
            admitter in self._ready and self._failures[admitter] < self._failure_threshold
        )

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Own task, because asyncio logs the cancellation of its own as an error.
        self._keep(asyncio.create_task(self._forward(reader, writer)))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            chosen = await self._connected()
            if chosen is not None:
                await _joined((reader, writer), chosen)
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        ready = self._ready
        for _ in ready:
            port = ready[next(self._turn) % len(ready)].port
            with contextlib.suppress(OSError):
                return await asyncio.open_connection(LOOPBACK, port)
        return None


async def _joined(
    one: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    other: tuple[asyncio.StreamReader, asyncio.StreamWriter],
) -> None:
    try:
        await asyncio.gather(_copied(one[0], other[1]), _copied(other[0], one[1]))
    finally:
        other[1].close()


async def _copied(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
