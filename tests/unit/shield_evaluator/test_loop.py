"""The cadence, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shield_evaluator import override
from shield_evaluator.core.state import Instant
from shield_evaluator.loop import Loop
from tests.unit.shield_evaluator.plans import EPOCH
from tests.unit.shield_evaluator.virtual_time import in_virtual_time
from tests.unit.shield_evaluator.world import INTERVAL, Clock, Node, World, snapshot


class LoopClock(Clock):
    """Shows the running loop's time."""

    def __call__(self) -> Instant:
        self.ms = round(asyncio.get_running_loop().time() * 1000)
        return Instant(ms=self.ms, utc=EPOCH)


class Told:
    """What happened in some seconds of a running loop."""

    def __init__(self, node: Node, began_ms: int) -> None:
        self._node = node
        self._began_ms = began_ms
        self.missed: list[int] = []

    @property
    def cycles(self) -> list[float]:
        """When cycles began, seconds."""
        return [self._at(r.at.ms) for r in self._node.results if not r.republished]

    @property
    def decided_again(self) -> list[float]:
        """When a decision was published between two cycles, seconds."""
        return [self._at(r.at.ms) for r in self._node.results if r.republished]

    def _at(self, ms: int) -> float:
        return (ms - self._began_ms) / 1000


Act = Callable[[World, Node, Loop], Awaitable[None]]


async def nothing(world: World, node: Node, loop: Loop) -> None:
    del world, node, loop


def told(*, seconds: float, takes: float = 0.0, act: Act = nothing) -> Told:
    """Run a loop for some seconds; a cycle takes so long; `act` runs beside it."""

    async def story() -> Told:
        world = World(LoopClock())
        node = world.evaluator()
        node.source.takes = takes
        result = Told(node, world.clock().ms)
        loop = Loop(node.cycle, now=world.clock, on_overrun=result.missed.append)
        tasks = [
            asyncio.create_task(loop.run()),
            asyncio.create_task(override.follow(world.store, loop.redecide)),
            asyncio.create_task(act(world, node, loop)),  # type: ignore[arg-type]  # always a coroutine
        ]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return result

    return in_virtual_time(story())


@pytest.mark.parametrize("takes", [0.0, 0.5, 4.9])
def test_cycles_begin_at_every_interval_however_long_they_take(takes: float) -> None:
    assert [0, 5, 10, 15] == told(seconds=19.95, takes=takes).cycles


def test_a_slow_cycle_skips_ticks_and_keeps_the_interval() -> None:
    story = told(seconds=44, takes=12)
    assert ([0, 15, 30], [2, 2, 2]) == (story.cycles, story.missed)


def test_a_cycle_in_time_counts_no_overrun() -> None:
    assert [] == told(seconds=30, takes=1).missed


def test_an_override_is_in_force_at_once() -> None:
    async def act(world: World, node: Node, loop: Loop) -> None:
        del node, loop
        await asyncio.sleep(7)
        await world.operator_says(allow=False, seconds=600)

    assert 7 in told(seconds=9, act=act).decided_again


def test_an_override_ends_at_once() -> None:
    async def act(world: World, node: Node, loop: Loop) -> None:
        del node, loop
        await asyncio.sleep(7)
        await world.operator_says(allow=False, seconds=1.5)

    assert 8.5 == pytest.approx(told(seconds=9, act=act).decided_again[-1], abs=0.01)


def test_an_override_does_not_move_the_next_cycle() -> None:
    async def act(world: World, node: Node, loop: Loop) -> None:
        del node, loop
        await asyncio.sleep(7)
        await world.operator_says(allow=False, seconds=1.5)

    assert [0, 5, 10, 15] == told(seconds=16, act=act).cycles


def test_a_new_configuration_starts_a_cycle_and_a_new_interval() -> None:
    async def act(world: World, node: Node, loop: Loop) -> None:
        del world
        await asyncio.sleep(7)
        node.cycle.apply_settings(snapshot(interval=2))
        loop.reevaluate()

    assert [0, INTERVAL, 7, 9, 11] == told(seconds=12, act=act).cycles


def test_without_the_store_cycles_go_on() -> None:
    async def act(world: World, node: Node, loop: Loop) -> None:
        del node, loop
        await asyncio.sleep(1)
        world.backend.available = False

    assert [0, 5, 10] == told(seconds=11, act=act).cycles
