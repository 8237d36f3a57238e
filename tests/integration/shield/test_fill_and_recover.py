"""etcd fills, the shield closes; room is made, and it opens when there is room, not before."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.rig.certificates import Authority
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.filling import RUNS_PREFIX, fill
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Admitter, Evaluator
from tests.rig.waiting import wait_until
from tests.rig.webhook import Answer, ask

QUOTA_BYTES = 16 * MEBIBYTE
QUOTA = "(etcd_server_quota_backend_bytes > 0)"
THRESHOLD = {"set": 0.6, "reset": 0.3}
WITHIN = 30.0


class Shield:
    """A real etcd behind a real shield."""

    def __init__(
        self, rig: Rig, etcd: EtcdServer, evaluator: Evaluator, admitter: Admitter
    ) -> None:
        self.rig = rig
        self.etcd = etcd
        self.evaluator = evaluator
        self.admitter = admitter

    async def answer(self) -> Answer:
        review = admission_review(ReviewRequest(uid="1", name="run", namespace="team"))
        trust = self.admitter.certificate.client_context()
        async with aiohttp.ClientSession() as http:
            return await ask(http, self.admitter.url, review, trust)

    async def denies(self) -> bool:
        return not (await self.answer()).allowed

    async def admits(self) -> bool:
        return (await self.answer()).allowed

    async def value(self, signal: str) -> float:
        decision = (await self.evaluator.status())["decision"]
        return float(decision["signals"][signal]["value"] or 0.0)

    async def evaluations(self, count: int) -> None:
        """Let the evaluator look so many times more."""

        async def sequence() -> int:
            return int((await self.evaluator.status())["decision"]["sequence"])

        enough = await sequence() + count

        async def reached() -> bool:
            return await sequence() >= enough

        await wait_until(reached, within=WITHIN, what=f"{count} more evaluations")


@pytest.fixture
async def shield() -> AsyncIterator[Shield]:
    async with Rig() as rig:
        etcd = EtcdServer(rig, quota_bytes=QUOTA_BYTES)
        await start_all(etcd)
        prometheus = PrometheusServer(
            rig, options=PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval="500ms")
        )
        redis = RedisServer(rig)
        await start_all(prometheus, redis)
        await prometheus.wait_scraped()
        evaluator = Evaluator(
            rig,
            {
                "cluster": "test",
                "interval": "500ms",
                "prometheus": {"urls": [prometheus.url]},
                "signals": [
                    {"name": "db-file", "query": f"etcd_mvcc_db_total_size_in_bytes / {QUOTA}"},
                    {
                        "name": "db-in-use",
                        "query": f"etcd_mvcc_db_total_size_in_use_in_bytes / {QUOTA}",
                    },
                ],
                "tiers": {"standard": {"db-file": THRESHOLD, "db-in-use": dict(THRESHOLD)}},
                "redis": {"url": redis.url},
            },
        )
        admitter = Admitter(
            rig,
            {"cluster": "test", "redis": {"url": redis.url}, "drain": "0s"},
            Authority(rig.directory / "certificates").server(),
        )
        await start_all(evaluator, admitter)
        yield Shield(rig, etcd, evaluator, admitter)


async def test_s2_the_shield_denies_until_etcd_is_compacted_and_defragmented(
    shield: Shield,
) -> None:
    assert await shield.admits()

    await fill(shield.etcd, 0.7)
    await wait_until(shield.denies, within=WITHIN, what="a denial")

    await shield.etcd.client.delete_prefix(RUNS_PREFIX)
    await shield.etcd.client.compact()
    # etcd counts its free pages when it commits, and commits when there is something to write.
    await shield.etcd.client.put("/registry/leases/anything", b"")

    async def in_use_is_low() -> bool:
        return await shield.value("db-in-use") < THRESHOLD["reset"]

    await wait_until(in_use_is_low, within=WITHIN, what="the evaluator to see the compaction")
    await shield.evaluations(3)
    assert await shield.denies()

    await shield.etcd.client.defragment()
    await wait_until(shield.admits, within=WITHIN, what="an admission")
    assert not await shield.etcd.client.alarms()


async def test_s2_a_denial_says_how_full_etcd_is_and_until_when(shield: Shield) -> None:
    await fill(shield.etcd, 0.7)
    await wait_until(shield.denies, within=WITHIN, what="a denial")

    answer = await shield.answer()

    assert 429 == answer.code
    assert answer.message.startswith("PipelineRun admission currently not allowed: etcd is at ")
    assert "until below 30%). Tier: standard." in answer.message
