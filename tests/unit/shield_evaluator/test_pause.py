"""A process that is frozen and resumed: what nobody has seen counts for no `reset_for`."""

import pytest
from structlog.testing import capture_logs

from shield_evaluator.core.plan import Threshold
from tests.unit.shield_evaluator.plans import one_latch
from tests.unit.shield_evaluator.world import INTERVAL, Node, World, allows, snapshot

PAUSE = 60.0


@pytest.fixture
def world() -> World:
    return World()


def evaluator(
    world: World, name: str = "one", *, reset_for: float, interval: float = INTERVAL
) -> Node:
    plan = one_latch(Threshold(set=0.9, reset=0.8, reset_for_ms=round(reset_for * 1000)))
    node = world.evaluator(name, plan=plan)
    node.cycle.apply_settings(snapshot(plan, interval=interval))
    return node


async def falling(world: World, *, reset_for: float, interval: float = INTERVAL) -> Node:
    """Return an evaluator that denies, and that has just begun to wait for `reset_for`."""
    node = evaluator(world, reset_for=reset_for, interval=interval)
    await node.sees(0.95)
    await node.sees(0.5)
    return node


@pytest.mark.parametrize(
    ("cycles", "admits"), [(3, True), (4, False)], ids=["a slow cycle", "a pause"]
)
async def test_a_pause_does_not_count_towards_reset_for(
    world: World, cycles: int, *, admits: bool
) -> None:
    one = await falling(world, reset_for=3 * INTERVAL)
    world.clock.step(cycles * INTERVAL)
    await one.sees(0.5)
    assert admits is await allows(world)


async def test_after_a_pause_reset_for_begins_again(world: World) -> None:
    one = await falling(world, reset_for=INTERVAL)
    world.clock.step(PAUSE)
    await one.sees(0.5)
    world.clock.step()
    await one.sees(0.5)
    assert await allows(world)


async def test_a_pause_does_not_delay_a_denial(world: World) -> None:
    one = world.evaluator(plan=one_latch(Threshold(set=0.9, reset=0.8, set_for_ms=15_000)))
    await one.sees(0.95)
    world.clock.step(PAUSE)
    await one.sees(0.95)
    assert not await allows(world)


@pytest.mark.parametrize(("before", "after"), [(60, 1), (1, 60)])
async def test_a_longer_interval_is_not_a_pause(world: World, before: float, after: float) -> None:
    one = await falling(world, reset_for=60, interval=before)
    one.cycle.apply_settings(snapshot(one.cycle.config.plan, interval=after))
    world.clock.step(60)
    await one.sees(0.5)
    assert await allows(world)


async def test_waiting_for_a_frozen_store_is_not_a_pause(world: World) -> None:
    one = evaluator(world, reset_for=8, interval=0.2)
    await one.sees(0.95)
    world.backend.available = False
    for _ in range(3):
        await one.sees(0.5)
        world.clock.step(4)
    world.backend.available = True
    await one.sees(0.5)
    assert await allows(world)


async def test_a_pause_during_a_query_is_noticed(world: World) -> None:
    one = await falling(world, reset_for=30)
    one.source.meanwhile = lambda: world.clock.step(PAUSE)
    await one.sees(0.5)
    assert not await allows(world)


async def test_a_redecision_after_a_pause_does_not_count_it(world: World) -> None:
    one, two = await falling(world, reset_for=30), evaluator(world, "two", reset_for=30)
    world.clock.step(PAUSE)
    await one.cycle.redecide()
    await one.writer.release()
    await two.sees(0.5)
    assert not await allows(world)


async def test_a_standbys_idle_time_is_not_a_pause(world: World) -> None:
    one, two = evaluator(world, reset_for=20), evaluator(world, "two", reset_for=20)
    await two.sees(0.95)
    await two.writer.release()
    for _ in range(4):  # "two" stands by; "one" sees the value fall, and ends
        world.clock.step()
        await one.sees(0.5)
        await two.sees(0.5)
    await one.writer.release()
    for _ in range(2):
        world.clock.step()
        await two.sees(0.5)
    assert await allows(world)


@pytest.mark.parametrize(("reset_for", "told"), [(0, 0), (2 * PAUSE, 1)])
async def test_a_pause_is_logged_if_a_timer_was_running(
    world: World, reset_for: float, told: int
) -> None:
    one = await falling(world, reset_for=reset_for)
    world.clock.step(PAUSE)
    with capture_logs() as lines:
        await one.sees(0.5)
    assert told == len([line for line in lines if "reset_for starts again" in line["event"]])
