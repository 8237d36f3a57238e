"""Counting admitted runs: added beside the request path, kept while the store is away (B3)."""

from structlog.testing import capture_logs

from shield_admitter.admission_counts import ADDED, DROPPED, KEPT, AdmissionCounts
from shield_common.store.keys import Keys
from shield_common.store.outage import OutageLog
from tests.fakes.memory_store import MemoryBackend, MemoryStore

KEY = Keys("c").admitted


class _World:
    def __init__(self) -> None:
        self.backend = MemoryBackend(now_ms=lambda: 0)
        self.results: list[str] = []
        self.counts = AdmissionCounts(
            MemoryStore(self.backend, cluster="c"),
            random=lambda: 0.5,
            outage=OutageLog(),
            on_flush=self.results.append,
        )

    @property
    def totals(self) -> dict[str, int]:
        return dict(self.backend.admitted[KEY])


async def test_admitted_runs_are_added_by_tier() -> None:
    world = _World()
    for tier in ("standard", "critical", "standard"):
        world.counts.count(tier)
    await world.counts.flush()
    assert {"standard": 2, "critical": 1} == world.totals


async def test_a_run_is_added_once() -> None:
    world = _World()
    world.counts.count("standard")
    await world.counts.flush()
    await world.counts.flush()
    assert {"standard": 1} == world.totals


async def test_nothing_is_sent_while_nothing_is_admitted() -> None:
    world = _World()
    await world.counts.flush()
    assert [] == world.results


async def test_b3_runs_admitted_while_the_store_is_away_are_added_later() -> None:
    world = _World()
    world.backend.available = False
    world.counts.count("standard")
    await world.counts.flush()
    world.counts.count("standard")
    world.backend.available = True
    await world.counts.flush()
    assert ({"standard": 2}, [KEPT, ADDED]) == (world.totals, world.results)


async def test_b3_runs_that_may_have_been_added_are_not_added_again() -> None:
    world = _World()
    world.backend.lost_answers = True
    world.counts.count("standard")
    await world.counts.flush()
    world.backend.lost_answers = False
    await world.counts.flush()
    assert ({"standard": 1}, [DROPPED]) == (world.totals, world.results)


async def test_runs_that_may_be_lost_are_logged_once_when_the_store_is_back() -> None:
    world = _World()
    world.backend.lost_answers = True
    for _ in range(3):
        world.counts.count("standard")
        await world.counts.flush()
    world.backend.lost_answers = False
    world.counts.count("standard")
    with capture_logs() as lines:
        await world.counts.flush()
    assert [3] == [line["runs"] for line in lines if "runs" in line]
