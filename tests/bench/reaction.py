"""How fast a change reaches everyone: `python -m tests.bench.reaction`.

Two figures. *Propagation*: from the moment at which a decision is handed to Redis until an admitter
holds it, over a hundred subscribers. All of them run in this process, on one core, so what is
measured includes ninety-nine neighbours that a real admitter does not have.

*Reaction*: from the moment at which a query's answer crosses the threshold until the last of three
admitters has denied a request. Everything is real but Prometheus, in whose place a server answers
from a number, because the moment has to be known.
"""

import asyncio
import json
import random
import statistics
import sys
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Final

from aiohttp import web
from rich.console import Console

from shield_common import logs
from shield_common.decision import Decision, TierDecision, encode_decision
from shield_common.decision_age import FreshnessLimits
from shield_common.decision_feed import DecisionFeed
from shield_common.logs import LogSettings
from shield_common.store.protocol import Publication
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.bench.figures import Figure, show
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisServer
from tests.rig.reviews import SMALL, ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Admitter, Evaluator
from tests.rig.waiting import wait_until
from tests.rig.webhook import ask

CLUSTER: Final = "bench"
SUBSCRIBERS: Final = 100
DECISIONS: Final = 50
PAUSE: Final = 0.1  # seconds between two decisions: an evaluator's are seconds apart
PROPAGATION_BAR_MS: Final = 50.0

ADMITTERS: Final = 3
INTERVAL: Final = 1.0  # seconds
CROSSINGS: Final = 20
LOOK: Final = 0.005  # seconds between two requests to each admitter
REACTION_BAR_MS: Final = INTERVAL * 1000 + 50.0
FULL, EMPTY = 0.95, 0.1
PATIENCE: Final = 30.0


def decision(sequence: int) -> Decision:
    tier = TierDecision(allow=True, since=datetime.now(UTC))
    return Decision(
        cluster=CLUSTER, epoch=1, sequence=sequence, ttl_ms=300_000, allow=True,
        evaluated_at=datetime.now(UTC), signals={},
        tiers=dict.fromkeys(("critical", "standard", "background"), tier),
    )  # fmt: skip


async def propagation(rig: Rig) -> list[Figure]:
    """Publish, and time the arrival at every subscriber."""
    redis = RedisServer(rig)
    await redis.start()
    settings = RedisSettings(url=redis.url)
    arrivals: list[float] = []
    limits = FreshnessLimits(stale_after_ms=30_000, expired_after_ms=300_000)

    def arrived(source: str, result: str) -> None:
        if (source, result) == ("subscription", "taken"):
            arrivals.append(time.perf_counter())

    async with AsyncExitStack() as stack:
        publisher = RedisStore(settings, cluster=CLUSTER)
        stack.push_async_callback(publisher.close)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        tasks = []
        for _ in range(SUBSCRIBERS):
            store = RedisStore(settings, cluster=CLUSTER)
            stack.push_async_callback(store.close)
            feed = DecisionFeed(
                store, cluster=CLUSTER, limits=limits, refresh=3600, random=random.random,
                now_ms=lambda: time.monotonic_ns() // 1_000_000, on_document=arrived,
            )  # fmt: skip
            tasks.append(group.create_task(feed.follow()))

        async def subscribed() -> bool:
            return SUBSCRIBERS == await publisher.count_subscribers()

        await wait_until(subscribed, within=PATIENCE, what="all subscriptions")
        delays: list[float] = []
        for sequence in range(1, DECISIONS + 1):
            arrivals.clear()
            claim = await publisher.claim_lease("bench", 15_000)
            document = encode_decision(decision(sequence))
            began = time.perf_counter()
            await publisher.publish(
                Publication(
                    holder="bench", epoch=claim.epoch, lease_ms=15_000, document=document,
                    ttl_ms=300_000, allow=True, latches=b"{}",
                )
            )  # fmt: skip
            await wait_until(
                lambda: SUBSCRIBERS == len(arrivals), within=PATIENCE, what="all to hold it"
            )
            delays += [1000 * (arrival - began) for arrival in arrivals]
            await asyncio.sleep(PAUSE)
        for task in tasks:
            task.cancel()
    cuts = statistics.quantiles(delays, n=100)
    what = f"propagation to {SUBSCRIBERS} subscribers, "
    return [
        Figure(what=what + "median", value=cuts[49], bar=PROPAGATION_BAR_MS, unit="ms"),
        Figure(what=what + "p99", value=cuts[98], bar=PROPAGATION_BAR_MS, unit="ms"),
    ]


class Usage:
    """Answers every query with one number, which can be changed."""

    def __init__(self) -> None:
        self.value = EMPTY

    async def answer(self, _request: web.Request) -> web.Response:
        result = [{"metric": {"instance": "etcd-0"}, "value": [time.time(), str(self.value)]}]
        data = {"resultType": "vector", "result": result}
        return web.Response(
            text=json.dumps({"status": "success", "data": data}), content_type="application/json"
        )


async def reaction(rig: Rig) -> list[Figure]:
    """Cross the threshold at random moments, and time the last admitter's first denial."""
    usage, redis = Usage(), RedisServer(rig)
    application = web.Application()
    application.router.add_post("/api/v1/query", usage.answer)
    runner = web.AppRunner(application)
    await runner.setup()
    port = rig.ports.reserve()
    try:
        await web.TCPSite(runner, LOOPBACK, port).start()
        await redis.start()
        evaluator = Evaluator(rig, _evaluator(f"http://{LOOPBACK}:{port}", redis.url))
        authority = Authority(rig.directory / "certificates")
        admitters = [
            Admitter(
                rig, {"cluster": CLUSTER, "redis": {"url": redis.url}}, authority.server(name), name
            )
            for name in (f"admitter-{n}" for n in range(ADMITTERS))
        ]
        await start_all(evaluator, *admitters)
        trust = authority.client_context()
        review = admission_review(ReviewRequest(size=SMALL))

        async def becomes(admitter: Admitter, *, allowed: bool) -> float:
            async def has() -> bool:
                return allowed == (await ask(rig.http, admitter.url, review, trust)).allowed

            await wait_until(has, within=PATIENCE, what=f"{admitter.name} to change", every=LOOK)
            return time.perf_counter()

        async def all_become(*, allowed: bool) -> float:
            return max(await asyncio.gather(*(becomes(a, allowed=allowed) for a in admitters)))

        delays = []
        for _ in range(CROSSINGS):
            usage.value = EMPTY
            await all_become(allowed=True)
            await asyncio.sleep(random.uniform(0, INTERVAL))  # anywhere between two cycles
            usage.value, crossed = FULL, time.perf_counter()
            delays.append(1000 * (await all_become(allowed=False) - crossed))
    finally:
        await runner.cleanup()
    what = f"crossing seen until {ADMITTERS} admitters deny, interval {INTERVAL:g} s, "
    return [
        Figure(
            what=what + "median", value=statistics.median(delays), bar=REACTION_BAR_MS, unit="ms"
        ),
        Figure(what=what + "worst", value=max(delays), bar=REACTION_BAR_MS, unit="ms"),
    ]


def _evaluator(prometheus: str, redis: str) -> dict[str, object]:
    return {
        "cluster": CLUSTER,
        "interval": f"{INTERVAL:g}s",
        "prometheus": {"urls": [prometheus]},
        "signals": [{"name": "db-file", "query": "usage"}],
        "tiers": {"standard": {"db-file": {"set": 0.9, "reset": 0.8}}},
        "redis": {"url": redis},
    }


async def measure() -> list[Figure]:
    """Take both figures."""
    figures = []
    for take in (propagation, reaction):
        async with Rig() as rig:
            figures += await take(rig)
    return figures


def main() -> int:
    """Print the figures; 1 if one misses its bar."""
    logs.configure(LogSettings(level="error"), service="bench")
    return show(Console(highlight=False), asyncio.run(measure()))


if __name__ == "__main__":
    sys.exit(main())
