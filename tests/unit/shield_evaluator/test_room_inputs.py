"""Reading the inputs of room: counters, quotas, and what is missing when they cannot be read."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from shield_common.held import HeldReport, TierReport, encode_held_report
from shield_common.store.keys import held_field
from shield_evaluator.core.holding import HeldReading
from shield_evaluator.core.observation import Sample
from shield_evaluator.core.plan import DEFAULT_QUOTA, Plan, RoomPlan, Threshold
from shield_evaluator.prometheus.response import Answer, PrometheusError
from shield_evaluator.room_inputs import QUOTA_SECONDS, RoomInputs, RoomReader
from tests.unit.shield_evaluator.plans import EPOCH, SIGNAL, TIER, one_latch
from tests.unit.shield_evaluator.world import World

GIBIBYTE = 1024.0**3
ROOM = RoomPlan(
    target=0.88, run_cost=1024**2, lag_ms=30_000, grows_over_ms=600_000, spend_ms=60_000
)
PLAN: Plan = one_latch(Threshold(set=0.90, reset=0.80, room=ROOM))


@dataclass
class ScriptedClient:
    """Answers queries with one sample per value; None fails."""

    values: Mapping[str, list[float] | None] = field(
        default_factory=lambda: {DEFAULT_QUOTA: [8 * GIBIBYTE]}
    )
    asked: list[str] = field(default_factory=list)

    async def query(self, expression: str, *, budget: float) -> Answer:
        del budget
        self.asked.append(expression)
        values = self.values.get(expression)
        if values is None:
            raise PrometheusError("connection", "refused")
        samples = tuple(Sample(str(n), value) for n, value in enumerate(values))
        return Answer(samples=samples, warnings=())


def _reader(world: World, client: ScriptedClient) -> RoomReader:
    return RoomReader(world.store, client, now=world.clock)


async def _read(reader: RoomReader, plan: Plan = PLAN) -> RoomInputs:
    return await reader.read(plan, budget=1)


async def test_the_least_quota_of_the_members_counts() -> None:
    client = ScriptedClient({DEFAULT_QUOTA: [8 * GIBIBYTE, 2 * GIBIBYTE, 8 * GIBIBYTE]})
    assert {SIGNAL: 2 * GIBIBYTE} == (await _read(_reader(World(), client))).quotas


async def test_a_quota_is_asked_for_once_a_minute() -> None:
    world, client = World(), ScriptedClient()
    reader = _reader(world, client)
    for seconds in (0, 5, QUOTA_SECONDS):
        world.clock.step(seconds)
        await _read(reader)
    assert [DEFAULT_QUOTA] * 2 == client.asked


async def test_a_quota_that_cannot_be_read_is_missing_and_asked_for_again() -> None:
    client = ScriptedClient({DEFAULT_QUOTA: None})
    reader = _reader(World(), client)
    assert [{}, {}] == [(await _read(reader)).quotas, (await _read(reader)).quotas]
    assert 2 == len(client.asked)


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300, float("inf"), float("nan")])
async def test_a_quota_that_no_etcd_has_is_missing(value: float) -> None:
    client = ScriptedClient({DEFAULT_QUOTA: [value]})
    assert {} == (await _read(_reader(World(), client))).quotas


async def test_without_a_run_cost_prometheus_is_not_asked() -> None:
    client = ScriptedClient()
    await _read(_reader(World(), client), one_latch())
    assert [] == client.asked


async def test_totals_are_those_of_the_store() -> None:
    world = World()
    await world.store.add_admitted({TIER: 7})
    assert {TIER: 7} == (await _read(_reader(world, ScriptedClient()))).totals


async def test_b3_totals_are_missing_while_the_store_does_not_answer() -> None:
    world = World()
    world.backend.available = False
    assert (await _read(_reader(world, ScriptedClient()))).totals is None


HOLDING: Plan = replace(one_latch(), max_held=100)
REPORT = HeldReport(reported_at=EPOCH, tiers={TIER: TierReport(held=4, counted=9)})


async def test_held_runs_are_those_of_the_report_and_the_counters() -> None:
    world = World()
    await world.store.write_held_report(encode_held_report(REPORT), 30_000)
    await world.store.add_admitted({TIER: 7, held_field(TIER): 10})
    inputs = await _read(_reader(world, ScriptedClient()), HOLDING)
    assert HeldReading(REPORT, store_answered=True, held_totals={TIER: 10}) == inputs.held
    assert {TIER: 7} == inputs.totals


async def test_no_report_is_read_while_nothing_is_held() -> None:
    world = World()
    await world.store.write_held_report(b"garbage", 30_000)
    held = (await _read(_reader(world, ScriptedClient()), one_latch())).held
    assert HeldReading(None, store_answered=False, held_totals={}) == held


@pytest.mark.parametrize("document", [None, b"garbage", b'{"schema": 2}'])
async def test_a_report_that_cannot_be_used_is_none(document: bytes | None) -> None:
    world = World()
    if document is not None:
        await world.store.write_held_report(document, 30_000)
    held = (await _read(_reader(world, ScriptedClient()), HOLDING)).held
    assert HeldReading(None, store_answered=True, held_totals={}) == held


async def test_without_the_store_nothing_is_known_of_held_runs() -> None:
    world = World()
    world.backend.available = False
    assert HeldReading() == (await _read(_reader(world, ScriptedClient()), HOLDING)).held


@pytest.mark.shows("trial T12")
async def test_an_absent_store_is_one_log_line_for_all_that_is_read_from_it() -> None:
    world = World()
    world.backend.available = False
    reader = _reader(world, ScriptedClient())
    plan = replace(PLAN, max_held=10)

    with capture_logs() as lines:
        await _read(reader, plan)
        await _read(reader, plan)
        world.backend.available = True
        await _read(reader, plan)

    said = [line["event"] for line in lines if "store" in line["event"]]
    assert ["the store does not answer", "the store answers again"] == said
    assert not [line for line in lines if line.get("input") == "counters"]
