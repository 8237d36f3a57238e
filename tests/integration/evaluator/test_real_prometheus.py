"""The evaluator on a real Prometheus: three etcd members, alerts, and the `check` command."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.evaluator.installation import (
    WITHIN,
    Installation,
    Stream,
    config,
    wait_metric,
)
from tests.rig.commands import run
from tests.rig.errors import RigError
from tests.rig.etcd import MEBIBYTE, EtcdCluster
from tests.rig.filling import fill, make_room
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisServer
from tests.rig.services import Evaluator, service_script
from tests.rig.waiting import wait_until

QUOTA_BYTES = 16 * MEBIBYTE
QUERY = "etcd_mvcc_db_total_size_in_bytes / (etcd_server_quota_backend_bytes > 0)"


async def takes_writes(etcd: EtcdCluster) -> bool:
    """Whether it takes writes: not before the members left have elected a leader."""
    try:
        await etcd.client.put("/registry/leases/anything", b"")
    except RigError:
        return False
    return True


async def test_p4_with_one_of_three_members_frozen_a_tier_may_close_and_never_opens(
    rig: Rig, installation: Installation
) -> None:
    etcd = EtcdCluster(rig, quota_bytes=QUOTA_BYTES)
    await etcd.start()
    prometheus = PrometheusServer(
        rig, options=PrometheusOptions(jobs={"etcd": etcd.targets}, scrape_interval="500ms")
    )
    await prometheus.start()
    await prometheus.wait_scraped()
    one = await installation.started(
        prometheus={"urls": [prometheus.url]},
        signals=[{"name": "db-file", "query": QUERY, "members": 3}],
        tiers={"standard": {"db-file": {"set": 0.6, "reset": 0.3}}},
        interval="500ms",
        lease_ttl="5s",
    )
    async with installation.listening() as stream:
        await stream.wait_for(allow=True)
        etcd.members[2].freeze()
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="db-file", state="partial")

        await wait_until(
            lambda: takes_writes(etcd), within=WITHIN, what="a leader among the members left"
        )
        await fill(etcd.members[0], 0.7)
        await stream.wait_for(allow=False)

        await make_room(*etcd.members[:2])
        await wait_reading_below(stream, 0.3)
        await stream.wait_longer(5)
        assert not stream.decisions[-1].allow

        etcd.members[2].thaw()
        await wait_reading_below(stream, 2.0, members=3)
        await etcd.members[2].client.defragment()
        await stream.wait_for(allow=True)


async def wait_reading_below(stream: Stream, value: float, *, members: int = 2) -> None:
    def there() -> bool:
        reading = stream.decisions[-1].signals["db-file"]
        return members == reading.members and (reading.value or 0.0) < value

    await wait_until(there, within=WITHIN, what=f"{members} members below {value:.0%}")


class Alerting:
    """A Prometheus with one alert, which fires or does not."""

    def __init__(self, rig: Rig, *, duration: str = "0s") -> None:
        self._rules = rig.directory / "rules.yaml"
        self._duration = duration
        self.write(firing=False)
        self.server = PrometheusServer(
            rig, options=PrometheusOptions(scrape_interval="500ms", rule_files=[self._rules])
        )

    def write(self, *, firing: bool, name: str = "EtcdFull") -> None:
        expression = f"vector({int(firing)}) > 0"
        rule = {"alert": name, "expr": expression, "for": self._duration}
        self._rules.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": [rule]}]}))

    def change(self, *, firing: bool, name: str = "EtcdFull") -> None:
        self.write(firing=firing, name=name)
        self.server.reload()


async def reading_alert(installation: Installation, alerting: Alerting) -> Evaluator:
    return await installation.started(
        prometheus={"urls": [alerting.server.url]},
        signals=[{"name": "full", "alert": "EtcdFull"}],
        tiers={"standard": {"full": {}}},
    )


async def test_a_firing_alert_denies_and_an_inactive_one_admits(
    rig: Rig, installation: Installation
) -> None:
    alerting = Alerting(rig)
    await alerting.server.start()
    await reading_alert(installation, alerting)
    async with installation.listening() as stream:
        await stream.wait_for(allow=True)
        assert 0.0 == stream.decisions[-1].signals["full"].value
        alerting.change(firing=True)
        await stream.wait_for(allow=False)
        assert "alert full is firing" == stream.decisions[-1].tiers["standard"].reason
        alerting.change(firing=False)
        await stream.wait_for(allow=True)


@pytest.mark.shows("trial S6")
async def test_t3_a_restart_of_prometheus_admits_nothing_while_the_condition_lasts(
    rig: Rig, installation: Installation
) -> None:
    alerting = Alerting(rig, duration="3s")
    alerting.write(firing=True)
    await alerting.server.start()
    one = await reading_alert(installation, alerting)
    async with installation.listening() as stream:
        await stream.wait_for(allow=False)
        alerting.server.kill()
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="full", state="unusable")
        await alerting.server.start()
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="full", state="partial")
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="full", state="ok")
        assert not any(stream.bits)


@pytest.mark.shows("trial T3", "trial S6")
async def test_a_removed_rule_admits_nothing(rig: Rig, installation: Installation) -> None:
    alerting = Alerting(rig)
    alerting.write(firing=True)
    await alerting.server.start()
    one = await reading_alert(installation, alerting)
    async with installation.listening() as stream:
        await stream.wait_for(allow=False)
        alerting.change(firing=False, name="Renamed")
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="full", state="unusable")
        await stream.wait_longer(5)
        assert not any(stream.bits)


async def test_t3_check_fails_for_an_alert_that_no_rule_defines(rig: Rig, tmp_path: Path) -> None:
    alerting = Alerting(rig)
    await alerting.server.start()
    signals = [{"name": "db-file", "alert": "EtcdFul"}]
    status, trial = await check(alerting.server.url, "", tmp_path, signals=signals)
    problem = "no rule defines the alert EtcdFul"
    assert (1, problem) == (status, trial["signals"]["db-file"]["problem"])


@pytest.mark.shows("trial S5")
async def test_t2_one_etcd_scraped_by_two_jobs_denies_and_never_admits(
    rig: Rig, installation: Installation, tmp_path: Path
) -> None:
    etcd = EtcdCluster(rig, quota_bytes=QUOTA_BYTES)
    await etcd.start()
    jobs = {"etcd": etcd.targets, "kube-etcd": etcd.targets}
    prometheus = PrometheusServer(
        rig, options=PrometheusOptions(jobs=jobs, scrape_interval="500ms")
    )
    await prometheus.start()
    await prometheus.wait_scraped()
    signals = [{"name": "db-file", "query": QUERY, "members": 3}]
    one = await installation.started(
        prometheus={"urls": [prometheus.url]},
        signals=signals,
        tiers={"standard": {"db-file": {"set": 0.6, "reset": 0.3}}},
        interval="500ms",
        lease_ttl="5s",
    )
    await wait_metric(one, "etcd_shield_signal_state", 1, signal="db-file", state="partial")
    async with installation.listening() as stream:
        await fill(etcd.members[0], 0.7)
        await stream.wait_for(allow=False)
        await make_room(*etcd.members)
        await wait_reading_below(stream, 0.3, members=6)
        await stream.wait_longer(5)
        assert not any(stream.bits)
    status, trial = await check(prometheus.url, "", tmp_path, signals=signals)
    assert 1 == status
    assert "narrow it, for example by job" in trial["signals"]["db-file"]["problem"]
    without_members = [{"name": "db-file", "query": QUERY}]
    status, trial = await check(prometheus.url, "", tmp_path, signals=without_members)
    assert 1 == status
    assert "differ in job (etcd, kube-etcd)" in trial["signals"]["db-file"]["problem"]
    narrowed = [{**signals[0], "query": QUERY.replace("_in_bytes", '_in_bytes{job="etcd"}')}]
    status, trial = await check(prometheus.url, "", tmp_path, signals=narrowed)
    assert (0, 3) == (status, trial["signals"]["db-file"]["members"])
    assert "docs/metrics-sources.md#kube-prometheus-stack" == trial["metrics_source"]


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        pytest.param("absent_metric", "no samples", id="no such metric"),
        pytest.param("vector(0) / 0", "no finite, non-negative sample", id="NaN"),
        pytest.param("vector(1) / 0", "no finite, non-negative sample", id="+Inf"),
        pytest.param("vector(-1)", "no finite, non-negative sample", id="negative"),
        pytest.param("scalar(vector(1))", "gives a scalar, not an instant vector", id="scalar"),
        pytest.param('"text"', "gives a string, not an instant vector", id="string"),
        pytest.param("up[5m]", "gives a matrix, not an instant vector", id="matrix"),
        pytest.param("up(", "parse error", id="no PromQL"),
    ],
)
async def test_p3_check_reports_answers_without_a_measurement(
    prometheus: PrometheusServer, tmp_path: Path, query: str, problem: str
) -> None:
    status, trial = await check(prometheus.url, query, tmp_path)
    assert 1 == status
    signal = trial["signals"]["db-file"]
    assert "unusable" == signal["state"]
    assert problem in signal["problem"]


async def test_check_shows_what_each_tier_would_do(
    prometheus: PrometheusServer, tmp_path: Path
) -> None:
    status, trial = await check(prometheus.url, "vector(0.95)", tmp_path)
    assert (0, 0.95, "denies") == (
        status,
        trial["signals"]["db-file"]["value"],
        trial["tiers"]["standard"]["effect"],
    )


async def test_check_reports_a_prometheus_that_does_not_answer(rig: Rig, tmp_path: Path) -> None:
    status, trial = await check(f"http://127.0.0.1:{rig.ports.reserve()}", "up", tmp_path)
    assert 1 == status
    assert trial["signals"]["db-file"]["problem"].startswith("connection: ")


async def check(
    url: str, query: str, directory: Path, *, signals: list[dict[str, Any]] | None = None
) -> tuple[int, Any]:
    """Run `shield-evaluator check --output json`."""
    document = config(url, "redis://127.0.0.1:1/0", interval="5s", lease_ttl="15s")
    document["signals"] = signals or [{"name": "db-file", "query": query}]
    if "alert" in document["signals"][0]:
        document["tiers"] = {"standard": {"db-file": {}}}
    path = directory / "evaluator.yaml"
    path.write_text(yaml.safe_dump(document))
    ended = await run(
        service_script("shield-evaluator"),
        "check",
        "--skip-redis",
        "--output",
        "json",
        "--config",
        path,
    )
    return ended.status, json.loads(ended.out)


async def test_p1_a_prometheus_that_comes_back_is_used_again(
    installation: Installation, prometheus: PrometheusServer, redis: RedisServer
) -> None:
    del redis
    one = await installation.started(
        prometheus={"urls": [prometheus.url]},
        signals=[{"name": "db-file", "query": "vector(0.95)"}],
    )
    async with installation.listening() as stream:
        await stream.wait_for(allow=False)
        prometheus.kill()
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="db-file", state="unusable")
        await stream.wait_longer()
        assert not any(stream.bits[-3:])
        await prometheus.start()
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="db-file", state="ok")
