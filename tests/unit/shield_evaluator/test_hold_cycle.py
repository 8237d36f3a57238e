"""Holding through whole cycles: the report, the counters, the decision, restarts and Redis away."""

from dataclasses import replace

from shield_common.decision import TierHold
from shield_common.held import HeldReport, TierReport, encode_held_report
from shield_common.store.keys import held_field
from shield_evaluator.core.plan import Plan, Threshold
from shield_evaluator.core.reservations import MAX_BATCH_RUNS
from tests.unit.shield_evaluator.plans import EPOCH, TIER, one_latch
from tests.unit.shield_evaluator.world import Node, World

REPORT_TTL_MS = 30_000
PLAN: Plan = replace(one_latch(Threshold(set=0.9, reset=0.8, full=0.95)), max_held=100)


async def report(world: World, held: int, *, counted: int = 0) -> None:
    entry = TierReport(held=held, counted=counted, released_per_minute=12)
    document = encode_held_report(HeldReport(reported_at=EPOCH, tiers={TIER: entry}))
    await world.store.write_held_report(document, REPORT_TTL_MS)


async def published(world: World) -> TierHold | None:
    decision = await world.published()
    assert decision is not None
    return decision.tiers[TIER].hold


async def cycle(world: World, node: Node, value: float = 0.92) -> TierHold | None:
    await node.sees(value)
    world.clock.step()
    return await published(world)


async def test_a_decision_holds_nothing_until_the_controller_reports() -> None:
    world = World()
    node = world.evaluator(plan=PLAN)
    assert await cycle(world, node) is None
    await report(world, 0)
    hold = await cycle(world, node)
    assert hold is not None
    assert (100, 0) == (hold.slots, hold.held)


async def test_a_plan_that_holds_nothing_reads_no_report() -> None:
    world = World()
    await report(world, 5)
    node = world.evaluator(plan=one_latch())
    assert await cycle(world, node) is None


async def test_slots_are_shared_out_among_the_admitters() -> None:
    world = World()
    await report(world, 40)
    async with world.store.subscribe_decisions(), world.store.subscribe_decisions():
        node = world.evaluator(plan=PLAN)
        await cycle(world, node)
        hold = await cycle(world, node)
    decision = await world.published()
    assert decision is not None
    assert hold is not None
    assert (2, 60, 30) == (decision.admitters, hold.slots, hold.share)


async def test_an_expired_report_leaves_slots_that_only_shrink() -> None:
    world = World()
    await report(world, 40)
    node = world.evaluator(plan=PLAN)
    await cycle(world, node)
    world.clock.step(REPORT_TTL_MS / 1000)
    await world.store.add_admitted({held_field(TIER): 7})
    hold = await cycle(world, node)
    assert hold is not None
    assert (47, 53, True) == (hold.held, hold.slots, hold.stalled)


async def test_a_restarted_evaluator_holds_as_before() -> None:
    world = World()
    await report(world, 40)
    await world.store.add_admitted({held_field(TIER): 3})
    before = await cycle(world, world.evaluator("one", plan=PLAN))
    world.clock.step(REPORT_TTL_MS / 1000)
    after = await cycle(world, world.evaluator("two", plan=PLAN))
    assert before is not None
    assert after is not None
    assert (43, 43, True) == (before.held, after.held, after.stalled)


async def test_slots_do_not_change_while_redis_is_away() -> None:
    world = World()
    await report(world, 40)
    node = world.evaluator(plan=PLAN)
    before = await cycle(world, node)
    world.backend.available = False
    await node.sees(0.92)
    world.backend.available = True
    assert before == await cycle(world, node)


async def test_a_counter_that_no_admitter_can_have_written_is_removed() -> None:
    world = World()
    await report(world, 40)
    node = world.evaluator(plan=PLAN)
    await cycle(world, node)
    await world.store.add_admitted({held_field(TIER): MAX_BATCH_RUNS + 1, TIER: 2})
    hold = await cycle(world, node)
    assert hold is not None
    assert 40 == hold.held
    assert {TIER: 2} == (await world.store.read_admitted()).totals
    assert {} == (await world.store.read_admitted()).held


async def test_newcomers_are_denied_where_etcd_is_full() -> None:
    world = World()
    await report(world, 0)
    node = world.evaluator(plan=PLAN)
    told = [await cycle(world, node, value) for value in (0.92, 0.95, 0.94)]
    assert [False, True, False] == [hold is not None and hold.full for hold in told]
