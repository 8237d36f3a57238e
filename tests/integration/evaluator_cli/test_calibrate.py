"""`shield-evaluator calibrate` against a real Prometheus that remembers runs of a known cost."""

import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from tests.histories.backfill import write_blocks
from tests.histories.etcd import STEP_SECONDS
from tests.histories.runs import MIB, Load, openmetrics_with_runs
from tests.integration.evaluator_cli.command import run
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusServer

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("calibrate")]

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "evaluator.yaml"
LOAD = Load(hours=12, cost=3.2 * MIB, lasts=600, spread=0.3, noise=MIB)
LENGTH_SECONDS = (LOAD.steps - 1) * STEP_SECONDS


@dataclass(frozen=True, kw_only=True)
class Past:
    """A Prometheus that knows half a day of runs.

    Attributes:
        options: The options that ask for all of it.
    """

    options: tuple[str, ...]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def past() -> AsyncIterator[Past]:
    begin = (int(time.time()) - LENGTH_SECONDS - 3600) // STEP_SECONDS * STEP_SECONDS
    async with Rig() as rig:
        prometheus = PrometheusServer(rig)
        await write_blocks(openmetrics_with_runs(LOAD, begin), prometheus.directory / "data")
        await prometheus.start()
        times = ("--from", str(begin), "--to", str(begin + LENGTH_SECONDS))
        yield Past(options=("--prometheus", prometheus.url, *times))


async def test_the_cost_of_a_run_is_found(past: Past) -> None:
    ended = await run("calibrate", "--config", EXAMPLE, *past.options, "--output", "json")

    assert 0 == ended.status, ended.err
    assert pytest.approx(LOAD.cost, rel=0.05) == ended.document["run_cost"]
    assert "10m" == ended.document["settings"]["grows_over"]


async def test_a_recording_gives_the_same_without_prometheus(past: Past, tmp_path: Path) -> None:
    week = tmp_path / "week.json"

    live = await run("calibrate", "--config", EXAMPLE, *past.options, "--record", week)
    recorded = await run("calibrate", "--config", EXAMPLE, "--from-file", week)

    assert 0 == live.status, live.err
    assert live.out == recorded.out


async def test_a_backtests_recording_can_be_calibrated(past: Past, tmp_path: Path) -> None:
    week = tmp_path / "week.json"

    await run("backtest", "--config", EXAMPLE, *past.options, "--record", week)
    recorded = await run("calibrate", "--config", EXAMPLE, "--from-file", week)

    assert 0 == recorded.status, recorded.err


async def test_another_counter_of_runs_can_be_named(past: Past) -> None:
    doubled = "2 * sum by (instance) (apiserver_request_total)"

    options = (*past.options, "--runs", doubled, "--output", "json")
    ended = await run("calibrate", "--config", EXAMPLE, *options)

    assert 0 == ended.status, ended.err
    assert pytest.approx(LOAD.cost / 2, rel=0.05) == ended.document["run_cost"]


async def test_a_prometheus_without_runs_ends_with_1_and_a_sentence(past: Past) -> None:
    ended = await run(
        "calibrate", "--config", EXAMPLE, *past.options, "--runs", "absent_metric_total"
    )

    assert 1 == ended.status
    assert "there are no samples of created runs" in ended.err
