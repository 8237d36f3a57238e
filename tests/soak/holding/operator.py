"""The operator of the act on holding: closes the shield, opens it, and lets the queue empty."""

import asyncio
import itertools
from collections.abc import Awaitable
from dataclasses import dataclass

from tests.rig.errors import RigError
from tests.soak.filling import LOOK_SECONDS, Filling
from tests.soak.holding.runs import Runs
from tests.soak.timeline import Timeline

# How long runs are held for lack of room before a latch has to close as well.
HELD_SECONDS = 2.0
# For how long nothing may wait before the next round.
OPEN_SECONDS = 4.0


@dataclass
class Operator:
    """Fills etcd with something else once runs are held, and empties it once a latch is set.

    Then it empties etcd whenever runs have used up the room, until nothing waits for a while.

    Attributes:
        closed_seconds: How long a latch stays closed.
        rounds: How often a latch was closed for a while.
        may_close: Whether another round may begin.
    """

    filling: Filling
    runs: Runs
    timeline: Timeline
    closed_seconds: float
    rounds: int = 0
    may_close: bool = True

    async def operate(self) -> None:
        """Close and open the shield in turn, until cancelled."""
        while True:
            await self._use_up_room()
            self.rounds += await self._close()
            await self._open()

    async def _use_up_room(self) -> None:
        while not (self.runs.waiting and self.may_close):
            await asyncio.sleep(LOOK_SECONDS)
            if not self.may_close:
                await self._empty_when_full()
        await asyncio.sleep(HELD_SECONDS)

    async def _close(self) -> bool:
        """Fill etcd until a latch has been closed for a while; return whether it was."""
        closed_at = None
        for number in itertools.count():
            await asyncio.sleep(LOOK_SECONDS)
            if not self.may_close:
                break
            if not self.filling.is_below_latch:
                closed_at = closed_at or self.timeline.now
            elif closed_at is None:
                await self._tolerant(self.filling.write_others(number))
            if closed_at is not None and self.timeline.now - closed_at >= self.closed_seconds:
                return True
        return False

    async def _open(self) -> None:
        await self._tolerant(self.filling.make_room())
        empty_since = None
        while empty_since is None or self.timeline.now - empty_since < OPEN_SECONDS:
            await asyncio.sleep(LOOK_SECONDS)
            if self.runs.waiting:
                empty_since = None
            elif empty_since is None:
                empty_since = self.timeline.now
            await self._empty_when_full()

    async def _empty_when_full(self) -> None:
        """Make room once runs have used it up."""
        bounds = self.filling.room.bounds
        if self.filling.usage >= bounds.target - bounds.slack:
            await self._tolerant(self.filling.make_room())

    async def _tolerant(self, work: Awaitable[None]) -> None:
        try:
            await work
        except RigError as error:
            self.timeline.tell(f"operator could not act yet: {error!r}")
