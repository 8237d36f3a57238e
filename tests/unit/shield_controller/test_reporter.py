"""The report of held runs: when it is written, and what it counts."""

from typing import Any

from shield_common.held import HeldReport, decode_held_report
from shield_common.store.keys import Keys, held_field
from shield_common.store.outage import OutageLog
from shield_controller.core.runs import HeldRun
from shield_controller.reporter import MIN_TTL_MS, Reporter
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.unit.shield_controller.builders import NOON, run
from tests.unit.shield_controller.test_releaser import OPEN, World

HELD = Keys("rh01").held


class Reporting:
    """A controller that knows its held runs, and a store in memory."""

    def __init__(self, *runs: HeldRun, interval: float = 5.0) -> None:
        self.world = World(*runs)
        self.backend = MemoryBackend(now_ms=lambda: 0)
        self.shown: list[HeldReport] = []
        self.is_leader = True
        self.reporter = Reporter(
            MemoryStore(self.backend, cluster="rh01"),
            held=self.world.held,
            releaser=self.world.releaser,
            interval=interval,
            server_now=lambda: NOON,
            is_leader=lambda: self.is_leader,
            decision_tiers=lambda: ["standard"],
            outage=OutageLog(),
            settle=0.0,
            on_report=self.shown.append,
        )

    async def count(self, **held: int) -> None:
        counts: dict[str, Any] = {held_field(tier): number for tier, number in held.items()}
        await MemoryStore(self.backend, cluster="rh01").add_admitted(counts)

    def stored(self) -> HeldReport | None:
        document = self.backend.get(HELD)
        return None if document is None else decode_held_report(document)


async def test_the_report_has_the_held_runs_and_what_was_counted_before() -> None:
    reporting = Reporting(run("one", age=312), run("two"))
    await reporting.count(standard=1234)
    await reporting.world.list()

    await reporting.reporter.write()

    stored = reporting.stored()
    assert stored is not None
    standard = stored.tiers["standard"]
    assert (2, 312.0, 1234) == (standard.held, standard.oldest_seconds, standard.counted)


async def test_nothing_is_reported_before_the_held_runs_are_known() -> None:
    reporting = Reporting(run("one"))

    await reporting.reporter.write()

    assert reporting.stored() is None
    assert [] == reporting.shown


async def test_a_standby_reports_nothing() -> None:
    reporting = Reporting(run("one"))
    reporting.is_leader = False
    await reporting.world.list()

    await reporting.reporter.write()

    assert reporting.stored() is None


async def test_nothing_is_reported_while_the_watch_is_broken() -> None:
    reporting = Reporting(run("one"))
    await reporting.world.list()
    reporting.world.held.problem = "no answer"

    await reporting.reporter.write()

    assert reporting.stored() is None


async def test_metrics_show_the_held_runs_while_the_store_is_away() -> None:
    reporting = Reporting(run("one"))
    await reporting.world.list()
    reporting.backend.available = False

    await reporting.reporter.write()

    assert [1] == [report.tiers["standard"].held for report in reporting.shown]


async def test_a_run_that_was_started_just_now_is_not_held_any_more() -> None:
    reporting = Reporting(run("one"))
    world = reporting.world
    await world.list()
    world.decide(OPEN)
    await world.releaser.round()  # and the watch has not shown it yet

    await reporting.reporter.write()

    stored = reporting.stored()
    assert stored is not None
    assert "standard" not in stored.tiers or 0 == stored.tiers["standard"].held


def test_a_report_outlives_three_intervals_and_half_a_minute() -> None:
    assert MIN_TTL_MS == Reporting(interval=5.0).reporter.ttl_ms
    assert 180_000 == Reporting(interval=60.0).reporter.ttl_ms
