"""A backtest of what a real etcd just did, beside what the real evaluator decided meanwhile."""

import time
from pathlib import Path

import pytest

from tests.integration.evaluator_cli.command import run
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.filling import fill, make_room
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Config, Evaluator
from tests.rig.waiting import wait_until

QUOTA_BYTES = 16 * MEBIBYTE
QUOTA = "(etcd_server_quota_backend_bytes > 0)"
THRESHOLD = {"set": 0.6, "reset": 0.3}
WITHIN = 30.0
STEP = 0.5


def _config(prometheus: PrometheusServer, redis: RedisServer) -> Config:
    return {
        "cluster": "live",
        "interval": "500ms",
        "prometheus": {"urls": [prometheus.url]},
        "signals": [
            {"name": "db-file", "query": f"etcd_mvcc_db_total_size_in_bytes / {QUOTA}"},
            {"name": "db-in-use", "query": f"etcd_mvcc_db_total_size_in_use_in_bytes / {QUOTA}"},
        ],
        "tiers": {"standard": {"db-file": THRESHOLD, "db-in-use": dict(THRESHOLD)}},
        "redis": {"url": redis.url},
    }


@pytest.mark.long
async def test_a_backtest_closes_like_the_evaluator_did(
    tmp_path: Path,
) -> None:
    async with Rig() as rig:
        etcd, redis = EtcdServer(rig, quota_bytes=QUOTA_BYTES), RedisServer(rig)
        await start_all(etcd, redis)
        jobs = {"etcd": [etcd.target]}
        options = PrometheusOptions(jobs=jobs, scrape_interval="500ms")
        prometheus = PrometheusServer(rig, options=options)
        await prometheus.start()
        await prometheus.wait_scraped()
        began = time.time()
        evaluator = Evaluator(rig, _config(prometheus, redis))
        await evaluator.start()

        async def admits() -> bool:
            return await evaluator.metric("etcd_shield_allow") == 1

        async def denies() -> bool:
            return not await admits()

        await wait_until(admits, within=WITHIN, what="the first decision")
        await fill(etcd, 0.7)
        await wait_until(denies, within=WITHIN, what="a denial")
        decision = (await evaluator.status())["decision"]
        await make_room(etcd)
        await wait_until(admits, within=WITHIN, what="an admission")

        # A backtest ends with the last whole step: that one must lie after the admission.
        reopened = time.time()
        await wait_until(
            lambda: time.time() > reopened + STEP, within=WITHIN, what="a whole step since"
        )
        arguments = ("--config", evaluator.config_file, "--from", str(began), "--step", f"{STEP}s")
        picture = tmp_path / "live.png"
        ended = await run("backtest", *arguments, "--output", "json", "--plot", picture)
        assert 0 == ended.status, ended.err
        closings = ended.document["reports"][0]["tiers"]["standard"]["closings"]
        assert [(decision["tiers"]["standard"]["signal"], True)] == [
            (closing["signal"], closing["end"] is not None) for closing in closings
        ]
