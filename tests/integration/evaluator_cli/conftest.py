"""An installation that lives as long as a module's tests."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter, Config, Evaluator
from tests.rig.waiting import wait_until

TIERS = ("critical", "standard", "background")


@dataclass(frozen=True, kw_only=True)
class Site:
    """What runs."""

    rig: Rig
    redis: RedisServer
    prometheus: PrometheusServer
    evaluator: Evaluator
    admitters: list[Admitter]
    authority: Authority

    @property
    def config(self) -> Path:
        """The evaluator's configuration file, which is the operator's too."""
        return self.evaluator.config_file


def evaluator_config(redis: RedisServer, prometheus: PrometheusServer, usage: float) -> Config:
    """Configure an evaluator whose etcd is always as full as this share of its quota."""
    return {
        "cluster": "ops",
        "interval": "5s",
        "prometheus": {"urls": [prometheus.url]},
        "signals": [{"name": "db-file", "query": f"vector({usage})", "members": 1}],
        "tiers": {
            "critical": {"db-file": {"set": 0.97, "reset": 0.93}},
            # Not between the two: an evaluator without memory would wait for `ttl` there.
            "standard": {"db-file": {"set": 0.90, "reset": 0.88}},
            "background": {"db-file": {"set": 0.85, "reset": 0.75}},
        },
        "default_tier": "standard",
        "redis": {"url": redis.url},
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site() -> AsyncIterator[Site]:
    """Run everything, with etcd at 87% of its quota: `background` denies, the others admit."""
    async with Rig() as rig:
        redis, prometheus = RedisServer(rig), PrometheusServer(rig)
        await start_all(redis, prometheus)
        authority = Authority(rig.directory / "certificates")
        evaluator = Evaluator(rig, evaluator_config(redis, prometheus, 0.87))
        admitters = [
            Admitter(
                rig,
                {
                    "cluster": "ops",
                    "default_tier": "standard",
                    "tiers": [{"tier": "background", "namespaces": ["bots"]}],
                    "redis": {"url": redis.url},
                    "drain": "0s",
                },
                authority.server(name),
                name,
            )
            for name in ("admitter-1", "admitter-2")
        ]
        await start_all(evaluator, *admitters)

        async def all_agree() -> bool:
            return all([await admitter.admits() is True for admitter in admitters])

        await wait_until(all_agree, within=30, what="the admitters to have a decision")
        yield Site(
            rig=rig,
            redis=redis,
            prometheus=prometheus,
            evaluator=evaluator,
            admitters=admitters,
            authority=authority,
        )
