"""Constant creations, and what came of them."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp

from tests.cluster.release import Release
from tests.rig.kubernetes_api import Reply
from tests.rig.waiting import wait_until

STREAMS = 4
_PAST = 20  # creations that a disturbance is framed by
_SECONDS = 60.0
# Seconds between a stream's creations, so that what is started meanwhile gets a processor.
_PAUSE = 0.02


@dataclass(kw_only=True)
class Load:
    """What the API server answered while the load ran.

    Attributes:
        statuses: How often each status.
        others: The first replies that were neither admissions nor denials.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    others: list[Reply] = field(default_factory=list)

    @property
    def total(self) -> int:
        """How many creations were answered."""
        return self.statuses.total()

    def add(self, reply: Reply) -> None:
        """Count an answer."""
        self.statuses[reply.status] += 1
        if reply.status not in {201, 429} and len(self.others) < 5:
            self.others.append(reply)

    async def wait_more(self) -> None:
        """Wait until some more creations are answered."""
        goal = self.total + _PAST
        await wait_until(lambda: self.total >= goal, within=_SECONDS, what="creations")


@contextlib.asynccontextmanager
async def creations(release: Release) -> AsyncIterator[Load]:
    """Create PipelineRuns, as dry runs, in parallel streams for as long as the block takes.

    Some are answered before the block begins, and after it has ended.
    """
    load = Load()

    async def stream() -> None:
        while True:
            try:
                reply = await release.try_run()
            except (aiohttp.ClientError, TimeoutError) as error:
                reply = Reply(status=0, body={"message": repr(error)})
            load.add(reply)
            await asyncio.sleep(_PAUSE)

    streams = [asyncio.create_task(stream()) for _ in range(STREAMS)]
    try:
        await load.wait_more()
        yield load
        await load.wait_more()
    finally:
        for task in streams:
            task.cancel()
        await asyncio.gather(*streams, return_exceptions=True)
