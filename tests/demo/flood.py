"""Creating runs at a steady pace, whatever the answers; what a creation is, is the caller's."""

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable


class Flood:
    """Calls `create` with 1, 2, 3 …, up to a number or until it is cancelled.

    Args:
        create: Creates the run of that number. An exception from it ends the flood.
        per_second: How often.
        in_flight: How many may be under way; the flood waits for room then.
        last: The last number; None if there is none.
    """

    def __init__(
        self,
        create: Callable[[int], Awaitable[None]],
        *,
        per_second: float,
        in_flight: int,
        last: int | None = None,
    ) -> None:
        self._create = create
        self._gap = 1 / per_second
        self._room = asyncio.Semaphore(in_flight)
        self._numbers = itertools.count(1) if last is None else range(1, last + 1)

    async def run(self) -> None:
        """Flood to the end, or until cancelled; creations under way are cancelled too then."""
        due = time.monotonic()
        async with asyncio.TaskGroup() as creations:
            for number in self._numbers:
                await self._room.acquire()
                due = next_due(due, time.monotonic(), self._gap)
                await asyncio.sleep(max(due - time.monotonic(), 0))
                creations.create_task(self._one(number))

    async def _one(self, number: int) -> None:
        try:
            await self._create(number)
        finally:
            self._room.release()


def next_due(previous: float, now: float, gap: float) -> float:
    """Return when the next creation is due, in seconds of the same clock.

    What was missed is not caught up with: a burst after a pause would write faster than the
    thresholds were chosen for.
    """
    return max(previous + gap, now)
