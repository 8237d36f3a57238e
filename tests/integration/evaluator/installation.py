"""Evaluators on a real Redis, beside a Prometheus whose values the test chooses."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from shield_common.config.loader import convert
from shield_common.decision import Decision, decode_decision
from shield_common.store.keys import Keys
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.evaluator.stub import Stub, json, serving, vector
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.services import Config, Evaluator
from tests.rig.waiting import wait_until

CLUSTER = "test"
KEYS = Keys(CLUSTER)
INTERVAL = "200ms"
LEASE = "1s"
WITHIN = 30.0  # seconds; the machine may be busy


def config(prometheus_url: str, redis_url: str, **more: object) -> Config:
    """Return what the tests' evaluators run with; `more` replaces whole keys."""
    return {
        "cluster": CLUSTER,
        "interval": INTERVAL,
        "lease_ttl": LEASE,
        "prometheus": {"urls": [prometheus_url]},
        "signals": [{"name": "db-file", "query": "ratio", "members": 3}],
        "tiers": {"standard": {"db-file": {"set": 0.9, "reset": 0.8}}},
        "redis": {"url": redis_url},
        **more,
    }


class Stream:
    """What an admitter would hear: every announced decision, in order."""

    def __init__(self, store: RedisStore) -> None:
        self._store = store
        self.decisions: list[Decision] = []

    @property
    def orders(self) -> list[tuple[int, int]]:
        return [decision.order for decision in self.decisions]

    @property
    def bits(self) -> list[bool]:
        return [decision.allow for decision in self.decisions]

    @property
    def epochs(self) -> set[int]:
        return {decision.epoch for decision in self.decisions}

    async def listen(self) -> None:
        async with self._store.subscribe_decisions() as subscription:
            while True:
                document = await subscription.next(1.0)
                if document is not None:
                    self.decisions.append(decode_decision(document))

    async def wait_longer(self, by: int = 3) -> None:
        """Wait until so many more decisions have come."""
        enough = len(self.decisions) + by
        await wait_until(
            lambda: len(self.decisions) >= enough, within=WITHIN, what=f"{by} more decisions"
        )

    async def wait_for(self, *, allow: bool) -> None:
        """Wait until the newest decision is this."""
        await wait_until(
            lambda: bool(self.decisions) and self.decisions[-1].allow is allow,
            within=WITHIN,
            what="an admission" if allow else "a denial",
        )

    async def wait_for_epoch_after(self, epoch: int) -> None:
        """Wait until another writer speaks."""
        await wait_until(
            lambda: bool(self.decisions) and self.decisions[-1].epoch > epoch,
            within=WITHIN,
            what="a takeover",
        )


class Installation:
    """One Redis, one stub, any number of evaluators."""

    def __init__(self, rig: Rig, redis: RedisServer, stub: Stub) -> None:
        self.rig = rig
        self.redis = redis
        self.stub = stub
        settings = convert({"url": redis.url}, RedisSettings)
        self.store = RedisStore(settings, cluster=CLUSTER)

    def measure(self, *values: float | str) -> None:
        """Let every query be answered with these values, one per member."""
        self.stub.answer = json(vector(*(values * 3 if len(values) == 1 else values)))

    def evaluator(self, name: str = "one", **more: object) -> Evaluator:
        document = config(self.stub.url, self.redis.url, **more)
        return Evaluator(self.rig, document, name)

    async def started(self, name: str = "one", **more: object) -> Evaluator:
        evaluator = self.evaluator(name, **more)
        await evaluator.start()
        return evaluator

    @asynccontextmanager
    async def listening(self, to: RedisServer | None = None) -> AsyncIterator[Stream]:
        settings = convert({"url": (to or self.redis).url}, RedisSettings)
        store = RedisStore(settings, cluster=CLUSTER)
        stream = Stream(store)
        task = asyncio.create_task(stream.listen())
        try:
            yield stream
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await store.close()


@asynccontextmanager
async def installed(rig: Rig, redis: RedisServer) -> AsyncIterator[Installation]:
    async with serving(json(vector(0.5, 0.5, 0.5))) as stub:
        installation = Installation(rig, redis, stub)
        try:
            yield installation
        finally:
            await installation.store.close()


async def outcome(evaluator: Evaluator) -> str | None:
    """Return how its last cycle ended, None while it does not answer."""
    try:
        return str((await evaluator.status())["outcome"])
    except (aiohttp.ClientError, TimeoutError):
        return None


async def wait_outcome(evaluator: Evaluator, expected: str) -> None:
    async def ended_so() -> bool:
        return await outcome(evaluator) == expected

    await wait_until(ended_so, within=WITHIN, what=f"{evaluator.name} to be {expected}")


async def wait_metric(evaluator: Evaluator, name: str, least: float, **labels: str) -> None:
    async def reached() -> bool:
        return (await evaluator.metric(name, **labels) or 0) >= least

    await wait_until(reached, within=WITHIN, what=f"{name} {labels} to reach {least:g}")
