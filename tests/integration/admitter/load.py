"""A steady load from clients that behave as the API server's does.

They keep connections, take the admitters in turn, honour ``Connection: close``, and try another
admitter only when a connection cannot be made: a request that was sent is never sent again.
"""

import asyncio
import itertools
import ssl
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from tests.integration.admitter.http_client import Client, Response, post
from tests.rig.reviews import SMALL, ReviewRequest, admission_review
from tests.rig.services import Admitter

WORKERS = 16


class Load:
    """Requests at a rate, from entering until leaving.

    The admitters may change meanwhile: the list that was passed is read for each request.

    Attributes:
        answered: how many requests got a review back.
        failures: what the others got.
        seconds: how long each answer took.
        on_answer: called with the loop's time of sending and of receiving, and the answer.
    """

    def __init__(
        self, admitters: Sequence[Admitter], trust: ssl.SSLContext, *, rate: float
    ) -> None:
        self._admitters = admitters
        self._trust = trust
        self._pause = WORKERS / rate
        self._turn = itertools.count()
        self._idle: defaultdict[int, list[Client]] = defaultdict(list)
        self._request = post(admission_review(ReviewRequest(size=SMALL)))
        self._ending = False
        self._workers: list[asyncio.Task[None]] = []
        self.answered = 0
        self.failures: list[str] = []
        self.seconds: list[float] = []
        self.on_answer: Callable[[float, float, Response], None] | None = None

    async def __aenter__(self) -> Self:
        self._workers = [asyncio.create_task(self._work(n)) for n in range(WORKERS)]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ending = True
        await asyncio.gather(*self._workers)
        for client in itertools.chain(*self._idle.values()):
            client.close()

    async def _work(self, number: int) -> None:
        await asyncio.sleep(self._pause * number / WORKERS)
        while not self._ending:
            await self._ask()
            await asyncio.sleep(self._pause)

    async def _ask(self) -> None:
        found = await self._client()
        if found is None:
            self.failures.append("nobody to connect to")
            return
        port, client = found
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            response = await client.ask(self._request)
        except (OSError, EOFError, TimeoutError) as error:
            self.failures.append(repr(error))
            client.close()
            return
        self.seconds.append(loop.time() - started)
        if response.status == 200:
            self.answered += 1
            if self.on_answer is not None:
                self.on_answer(started, loop.time(), response)
        else:
            self.failures.append(f"status {response.status}")
        if response.closes:
            client.close()
        else:
            self._idle[port].append(client)

    async def _client(self) -> tuple[int, Client] | None:
        first = next(self._turn)
        for offset in range(len(self._admitters)):
            port = self._admitters[(first + offset) % len(self._admitters)].port
            # The one that has waited longest, so that none grows old unnoticed.
            while self._idle[port]:
                client = self._idle[port].pop(0)
                if client.is_open:
                    return port, client
                client.close()
            try:
                return port, await Client.connect(port, self._trust)
            except (OSError, EOFError, TimeoutError):
                continue
        return None
