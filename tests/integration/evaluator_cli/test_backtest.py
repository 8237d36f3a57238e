"""`shield-evaluator backtest` against a real Prometheus that remembers a burst, and worse."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import pytest_asyncio
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.histories.backfill import backfill
from tests.histories.etcd import STEP_SECONDS
from tests.histories.library import named
from tests.integration.evaluator_cli.command import interrupt, run
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "evaluator.yaml"
BURST = named("burst")
LENGTH_SECONDS = (BURST.course.steps - 1) * STEP_SECONDS

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Past:
    """A Prometheus with an earlier burst in it."""

    prometheus: PrometheusServer
    begin: int

    @property
    def range(self) -> tuple[str, ...]:
        """The options that ask for all of it."""
        end = self.begin + LENGTH_SECONDS
        return ("--prometheus", self.prometheus.url, "--from", str(self.begin), "--to", str(end))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def past() -> AsyncIterator[Past]:
    now = int(time.time())
    begin = (now - LENGTH_SECONDS - 3600) // STEP_SECONDS * STEP_SECONDS
    async with Rig() as rig:
        prometheus = PrometheusServer(rig)
        await backfill(BURST.course, begin, prometheus.directory / "data")
        await prometheus.start()
        yield Past(prometheus=prometheus, begin=begin)


async def _report(past: Past, *more: str | Path) -> dict[str, Any]:
    ended = await run("backtest", "--config", EXAMPLE, *past.range, "--output", "json", *more)
    assert 0 == ended.status, ended.err
    report: dict[str, Any] = ended.document["reports"][0]
    return report


@pytest.fixture
def bolder(tmp_path: Path) -> Path:
    """The example, but its tier `standard` is closed as late as possible."""
    config = yaml.safe_load(EXAMPLE.read_text())
    config["tiers"]["standard"] = {"db-file": {"set": 1.0, "reset": 0.9}}
    path = tmp_path / "bolder.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_the_outage_is_found_and_missed_by_no_tier(past: Past) -> None:
    report = await _report(past)
    assert 1 == len(report["outages"])
    assert [0, 0, 0] == [tier["outages_missed"] for tier in report["tiers"].values()]


async def test_each_tier_closes_once_before_the_outage(past: Past) -> None:
    report = await _report(past)
    assert [1, 1, 1] == [len(tier["closings"]) for tier in report["tiers"].values()]
    leads = [tier["exposures"][0]["lead_seconds"] for tier in report["tiers"].values()]
    assert 0 < leads[0] < leads[1] < leads[2]


async def test_a_range_above_the_limit_of_one_query_is_split(past: Past) -> None:
    report = await _report(past, "--step", "2s")  # 14,401 steps; Prometheus gives 11,000
    assert 14_401 == report["steps"]
    assert [1, 1, 1] == [len(tier["closings"]) for tier in report["tiers"].values()]


async def test_a_recording_replays_to_the_same_report(past: Past, tmp_path: Path) -> None:
    recorded = tmp_path / "day.json"
    live = await _report(past, "--record", recorded)
    ended = await run("backtest", "--config", EXAMPLE, "--from-file", recorded, "--output", "json")
    assert live == ended.document["reports"][0]


async def test_compare_shows_both_configurations_side_by_side(past: Past, bolder: Path) -> None:
    ended = await run("backtest", "--config", EXAMPLE, *past.range, "--compare", bolder)
    assert 0 == ended.status, ended.err
    rows = [line for line in ended.out.splitlines() if "outages missed" in line]
    assert ["0 of 1", "1 of 1"] == re.findall(r"\d of \d", rows[1])


@pytest.mark.parametrize(
    ("name", "begins"), [("day.png", b"\x89PNG"), ("day.svg", b"<?xml")], ids=["png", "svg"]
)
async def test_plot_writes_a_picture(past: Past, tmp_path: Path, name: str, begins: bytes) -> None:
    await _report(past, "--plot", tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(begins)


async def test_a_query_without_samples_is_one_line_and_exit_code_1(
    past: Past, tmp_path: Path
) -> None:
    config = yaml.safe_load(EXAMPLE.read_text())
    for signal in config["signals"]:
        signal["query"] = "no_such_metric"
    path = tmp_path / "typo.yaml"
    path.write_text(yaml.safe_dump(config))
    ended = await run("backtest", "--config", path, *past.range)
    assert (1, "") == (ended.status, ended.out)
    assert "no samples in this range of signal db-file, db-in-use" in ended.err


async def test_a_bad_query_shows_the_parse_error_of_prometheus(past: Past, tmp_path: Path) -> None:
    config = yaml.safe_load(EXAMPLE.read_text())
    config["signals"][0]["query"] = "sum("
    path = tmp_path / "syntax.yaml"
    path.write_text(yaml.safe_dump(config))
    ended = await run("backtest", "--config", path, *past.range)
    assert (1, 1) == (ended.status, ended.err.count("\n"))
    assert "parse error" in ended.err


async def test_a_prometheus_that_is_away_is_one_line_and_exit_code_1() -> None:
    ended = await run("backtest", "--config", EXAMPLE, "--prometheus", "http://127.0.0.1:9")
    assert (1, "", 1) == (ended.status, ended.out, ended.err.count("\n"))


class Ailing:
    """A Prometheus that answers some pieces like a healthy one, and then does something else.

    Attributes:
        url: Its base URL.
        asked: Set once the healthy pieces are over.
    """

    def __init__(self, healthy_pieces: int, then: Answering) -> None:
        self._left = healthy_pieces
        self._then = then
        self.asked = asyncio.Event()
        app = web.Application()
        app.router.add_post("/api/v1/query_range", self._answer)
        self._server = TestServer(app)

    async def __aenter__(self) -> Self:
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return str(self._server.make_url("/")).rstrip("/")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._left > 0:
            self._left -= 1
            form = await request.post()
            series = {"metric": {"instance": "a"}, "values": [[float(str(form["start"])), "0.5"]]}
            data = {"resultType": "matrix", "result": [series]}
            return web.json_response({"status": "success", "data": data})
        self.asked.set()
        return await self._then(request)


async def _refuse(_request: web.Request) -> web.StreamResponse:
    return web.Response(status=503, text="shutting down")


async def _hang(_request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets that event")


@pytest.fixture
def kept(tmp_path: Path) -> tuple[Path, Path]:
    """A recording and a picture of last week, which must survive a failure."""
    files = (tmp_path / "week.json", tmp_path / "week.png")
    for file in files:
        file.write_text("of last week")
    return files


def _unharmed(kept: tuple[Path, Path]) -> bool:
    directory = kept[0].parent
    return set(kept) == set(directory.iterdir()) and all(
        "of last week" == file.read_text() for file in kept
    )


async def test_an_error_during_fetching_leaves_the_files_alone(kept: tuple[Path, Path]) -> None:
    async with Ailing(4, _refuse) as ailing:
        options = ("--from", "-10d", "--record", kept[0], "--plot", kept[1])
        ended = await run("backtest", "--config", EXAMPLE, "--prometheus", ailing.url, *options)
    assert (1, "", 1) == (ended.status, ended.out, ended.err.count("\n"))
    assert "38% fetched" in ended.err
    assert _unharmed(kept)


async def test_ctrl_c_during_fetching_leaves_the_files_alone(kept: tuple[Path, Path]) -> None:
    async with Ailing(3, _hang) as ailing:
        options = ("--from", "-10d", "--record", kept[0], "--plot", kept[1])
        command = ("backtest", "--config", EXAMPLE, "--prometheus", ailing.url, *options)
        ended = await interrupt(*command, when=ailing.asked.wait())
    assert (130, "", "shield-evaluator: interrupted\n") == (ended.status, ended.out, ended.err)
    assert _unharmed(kept)


async def test_a_recording_that_cannot_be_written_is_one_line(past: Past, tmp_path: Path) -> None:
    nowhere = tmp_path / "missing" / "day.json"
    ended = await run("backtest", "--config", EXAMPLE, *past.range, "--record", nowhere)
    assert (1, "", 1) == (ended.status, ended.out, ended.err.count("\n"))
