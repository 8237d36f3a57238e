"""A denial and a recovery on real servers, for everything that people look at to look at.

Three etcd members, Prometheus with the chart's rules, Redis, an evaluator and two admitters. etcd
is filled until the shield closes, then emptied, compacted and defragmented until it opens.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.etcd import MEBIBYTE, EtcdCluster
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.reviews import SMALL, ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Admitter, Evaluator
from tests.rig.waiting import wait_until
from tests.rig.webhook import ask
from tests.unit.observability.exposure import ALERTS

# Generous: two busy cores run ten servers.
PATIENCE = 120.0
FILL = "/registry/tekton.dev/pipelineruns/team-orders/"
QUOTA = 32 * MEBIBYTE
RATIO = "{} / (etcd_server_quota_backend_bytes > 0)"
QUERIES = {
    "db-file": RATIO.format("etcd_mvcc_db_total_size_in_bytes"),
    "db-in-use": RATIO.format("etcd_mvcc_db_total_size_in_use_in_bytes"),
}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The running servers.

    Attributes:
        etcd: Three members.
        prometheus: Scrapes everything each second, with the chart's rules.
        evaluator: The writer.
        admitters: Two.
        authority: Who issued their certificates.
        rig: Who ends everything.
        began: When the stage was set, Unix time.
    """

    etcd: EtcdCluster
    prometheus: PrometheusServer
    evaluator: Evaluator
    admitters: list[Admitter]
    authority: Authority
    rig: Rig
    began: float

    async def page(self) -> tuple[str, dict[str, str]]:
        """Return the evaluator's status page and the answer's headers."""
        async with self.rig.http.get(f"{self.evaluator.metrics_url}/") as response:
            return await response.text(), dict(response.headers)

    async def ask_prometheus(self, path: str, **parameters: str) -> Any:
        """Return `data` of an answer of Prometheus' HTTP API.

        Raises:
            RigError: It was refused.
        """
        url = f"{self.prometheus.url}/api/v1/{path}"
        async with self.rig.http.get(url, params=parameters) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise RigError(f"{parameters}: {answer['error']}")
        return answer["data"]


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Start everything and wait until Prometheus has scraped all of it."""
    async with Rig() as rig:
        authority = Authority(rig.directory / "certificates")
        etcd = EtcdCluster(rig, quota_bytes=QUOTA, arguments=["--metrics=extensive"])
        redis = RedisServer(rig)
        await asyncio.gather(etcd.start(), redis.start())
        prometheus = PrometheusServer(rig)
        evaluator = Evaluator(rig, {})
        admitters = [
            Admitter(rig, _admitter(redis), authority.server(name), name)
            for name in ("admitter-1", "admitter-2")
        ]
        prometheus.options = _scraping(etcd, evaluator, admitters)
        await prometheus.start()
        evaluator.config = _evaluator(prometheus, redis)
        await start_all(evaluator, *admitters)
        prometheus.options = _scraping(etcd, evaluator, admitters)  # ports are final now
        prometheus.reload()
        await prometheus.wait_scraped(within=PATIENCE)
        yield Stage(
            etcd=etcd,
            prometheus=prometheus,
            evaluator=evaluator,
            admitters=admitters,
            authority=authority,
            rig=rig,
            began=time.time(),
        )


async def deny(stage: Stage) -> None:
    """Fill etcd until every admitter denies and Prometheus knows it."""
    async with _traffic(stage):
        for number in range(1, 1000):
            if await stage.prometheus.query("etcd_shield_trigger == 1"):
                break
            await stage.etcd.client.put(f"{FILL}{number:04}", b"x" * MEBIBYTE)
            await _beat()
        await _until(stage, lambda bits: not any(bits), "every admitter to deny")
        await _seen(stage, 'ALERTS{alertname="EtcdShieldDenyAdmission",alertstate="firing"}')
        await _seen(
            stage, 'sum(rate(etcd_shield_admission_requests_total{verdict="denied"}[5s]))>0'
        )


async def recover(stage: Stage) -> None:
    """Empty etcd until every admitter admits and Prometheus knows it."""
    async with _traffic(stage):
        await stage.etcd.client.delete_prefix(FILL)
        await stage.etcd.client.compact()
        for member in stage.etcd.members:
            await member.client.defragment()
        await _until(stage, all, "every admitter to admit")
        await _seen(stage, "etcd_shield_trigger == 0")
        await _seen(stage, 'increase(etcd_shield_transitions_total{to="allow"}[15s]) > 0')


async def _until(stage: Stage, condition: Callable[[list[bool]], bool], what: str) -> None:
    async def met() -> bool:
        return condition([await admitter.admits() is True for admitter in stage.admitters])

    await wait_until(met, within=PATIENCE, what=what)


async def _seen(stage: Stage, promql: str) -> None:
    async def met() -> bool:
        return bool(await stage.prometheus.query(promql))

    await wait_until(met, within=PATIENCE, what=f"Prometheus to see {promql}")


async def _beat() -> None:
    # Growth that lasts some scrapes: a forecast needs more than one.
    await asyncio.sleep(1.0)


@asynccontextmanager
async def _traffic(stage: Stage) -> AsyncIterator[None]:
    task = asyncio.create_task(_requests(stage))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _requests(stage: Stage) -> None:
    trust = stage.authority.client_context()
    review = admission_review(ReviewRequest(size=SMALL))
    while True:
        for admitter in stage.admitters:
            await ask(stage.rig.http, admitter.url, review, trust)
            await asyncio.sleep(0.1)


def _scraping(
    etcd: EtcdCluster, evaluator: Evaluator, admitters: list[Admitter]
) -> PrometheusOptions:
    return PrometheusOptions(
        jobs={
            "etcd": etcd.targets,
            "evaluator": [evaluator.metrics_target],
            "admitter": [admitter.metrics_target for admitter in admitters],
        },
        rule_files=[ALERTS],
    )


def _evaluator(prometheus: PrometheusServer, redis: RedisServer) -> dict[str, Any]:
    # A run costs so little that there is always room, and that the latch is what closes.
    usual = {"warn": 0.3, "set": 0.5, "reset": 0.2, "run_cost": "1Ki", "grows_over": "1s"}
    return {
        "cluster": "test",
        "interval": "1s",
        "prometheus": {"urls": [prometheus.url]},
        "signals": [{"name": n, "query": q, "members": 3} for n, q in QUERIES.items()],
        "tiers": {
            "standard": {name: dict(usual) for name in QUERIES},
            "critical": {name: {"set": 0.9, "reset": 0.8} for name in QUERIES},
        },
        "redis": {"url": redis.url},
        "status_url": "https://shield.example.com/",
        "runbook_url": "https://docs.example.com/runbook.md",
    }


def _admitter(redis: RedisServer) -> dict[str, Any]:
    return {
        "cluster": "test",
        "tiers": [{"tier": "critical", "namespaces": ["release-*"]}],
        "redis": {"url": redis.url},
        "drain": "0s",
    }
