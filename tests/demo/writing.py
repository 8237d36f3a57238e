"""What an admitted run goes on to write: pods, TaskRuns, status after status."""

import asyncio
import time
from collections.abc import Awaitable, Callable

# How many writes are under way at a time. Runs do not wait for each other, as little as tasks in a
# cluster do; the bound keeps a slow etcd from being asked ever more.
_IN_FLIGHT = 32


class Writing:
    """Writes the further objects of admitted runs as they are due.

    Args:
        store: Writes an object of the run of that number; the second argument is which, from 1.
        writes: Objects that each run writes.
        every: Seconds between two of them.
    """

    def __init__(
        self, store: Callable[[int, int], Awaitable[None]], *, writes: int, every: float
    ) -> None:
        self._store = store
        self._writes = writes
        self._every = every
        # (when, number of the run, which of its objects)
        self._due: asyncio.PriorityQueue[tuple[float, int, int]] = asyncio.PriorityQueue()
        self._places = asyncio.Semaphore(_IN_FLIGHT)
        self.started = 0
        self.finished = 0

    def begin(self, number: int) -> None:
        """Let the run of that number write from now on."""
        self.started += 1
        self._due.put_nowait((time.monotonic() + self._every, number, 1))

    async def run(self) -> None:
        """Write until cancelled."""
        async with asyncio.TaskGroup() as writes:
            while True:
                due, number, step = await self._due.get()
                # A run that begins meanwhile is due later, since all wait equally long.
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await self._places.acquire()
                writes.create_task(self._write(due, number, step))

    async def _write(self, due: float, number: int, step: int) -> None:
        try:
            await self._store(number, step)
        finally:
            self._places.release()
        if step < self._writes:
            self._due.put_nowait((due + self._every, number, step + 1))
        else:
            self.finished += 1
