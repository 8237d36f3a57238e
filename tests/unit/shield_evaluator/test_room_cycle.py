"""Room in the evaluator's cycle: counters from the store, restarts, forged counters (B4, B5)."""

from dataclasses import replace

import pytest

from shield_evaluator.core.plan import Plan, RoomPlan, Threshold
from shield_evaluator.cycle_result import CycleResult
from tests.unit.shield_evaluator.plans import TIER, one_latch, silent
from tests.unit.shield_evaluator.world import KEYS, Node, World

MEBIBYTE = 1024**2
ROOM = RoomPlan(
    target=0.88, run_cost=MEBIBYTE, lag_ms=30_000, grows_over_ms=600_000, spend_ms=60_000
)
PLAN: Plan = one_latch(Threshold(set=0.90, reset=0.80, room=ROOM))


def _room(result: CycleResult) -> float:
    assert result.decision is not None
    room = result.decision.tiers[TIER].room
    assert room is not None
    return room


async def _sees(world: World, node: Node, value: float) -> float:
    world.clock.step()
    return _room(await node.sees(value))


async def test_admitted_runs_are_reserved_for_in_the_next_cycle() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    await node.sees(0.48)
    await world.store.add_admitted({TIER: 100})
    assert 300 == pytest.approx(await _sees(world, node, 0.48))


async def test_b5_a_restarted_evaluator_reserves_as_before_to_the_run() -> None:
    world = World()
    first = world.evaluator(plan=PLAN)
    await first.sees(0.48)
    await world.store.add_admitted({TIER: 100})
    before = await _sees(world, first, 0.48)
    await first.writer.release()
    second = world.evaluator("two", plan=PLAN)
    assert before == pytest.approx(_room(await second.sees(0.48)), abs=1)


async def test_b5_a_takeover_counts_what_was_admitted_meanwhile() -> None:
    world = World()
    first = world.evaluator(plan=PLAN)
    await world.store.add_admitted({TIER: 50})
    await first.sees(0.48)
    await first.writer.release()
    await world.store.add_admitted({TIER: 50})
    second = world.evaluator("two", plan=PLAN)
    assert 300 == pytest.approx(_room(await second.sees(0.48)))


async def test_b4_a_store_that_lost_its_counters_keeps_what_is_reserved() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    await world.store.add_admitted({TIER: 100})
    await node.sees(0.48)
    world.backend.flush()
    await world.store.add_admitted({TIER: 10})
    assert 290 == pytest.approx(await _sees(world, node, 0.48))


async def test_b4_a_forged_counter_is_removed_and_reserves_nothing() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    await node.sees(0.48)
    world.backend.admitted[KEYS.admitted][TIER] = 10**15
    room = await _sees(world, node, 0.48)
    assert 400 == pytest.approx(room)
    assert {} == world.backend.admitted[KEYS.admitted]


async def test_b4_runs_are_reserved_for_again_after_a_forged_counter_was_removed() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    world.backend.admitted[KEYS.admitted][TIER] = 10**15
    await node.sees(0.48)
    await world.store.add_admitted({TIER: 100})
    assert 300 == pytest.approx(await _sees(world, node, 0.48))


async def test_b6_without_metrics_room_only_shrinks() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    await node.sees(0.48)
    node.source.seen = {"db-file": silent()}
    rooms = []
    for _ in range(3):
        world.clock.step(300)
        await world.store.add_admitted({TIER: 10})
        rooms.append(_room(await node.cycle.evaluate()))
    assert [390, 380, 370] == pytest.approx(rooms)


async def test_a_configured_number_of_admitters_is_published() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    node.cycle.apply_settings(replace(node.cycle.config, admitters=7))
    result = await node.sees(0.48)
    assert result.decision is not None
    assert 7 == result.decision.admitters


async def test_subscribers_that_a_decision_reached_share_the_next_ones_room() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    async with world.store.subscribe_decisions(), world.store.subscribe_decisions():
        await node.sees(0.48)
        result = await node.sees(0.48)
    assert result.decision is not None
    assert 2 == result.decision.admitters
