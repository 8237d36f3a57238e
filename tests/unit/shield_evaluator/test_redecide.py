"""A decision that follows an override may come in the middle of a cycle; it must change no more."""

import asyncio
from dataclasses import replace

from shield_common.decision import Decision
from shield_evaluator.core.plan import Plan
from tests.fakes.memory_store import MemoryStore
from tests.unit.shield_evaluator.plans import one_latch
from tests.unit.shield_evaluator.virtual_time import in_virtual_time
from tests.unit.shield_evaluator.world import CLUSTER, Node, World, snapshot

IN_THE_BAND = 0.85
ABOVE_SET = 0.95


class GatedStore(MemoryStore):
    """A store whose answer about the latches can be held back."""

    gate: asyncio.Event
    asked: asyncio.Event

    async def read_latches(self) -> bytes | None:
        self.asked.set()
        await self.gate.wait()
        return await super().read_latches()


async def test_an_override_between_a_takeover_and_its_latches_publishes_nothing() -> None:
    world = World()
    world.store = store = GatedStore(world.backend, cluster=CLUSTER)
    store.gate, store.asked = asyncio.Event(), asyncio.Event()
    store.gate.set()
    successor = await evaluated_once_during_an_outage(world)
    writer = world.evaluator("writer")
    await writer.sees(ABOVE_SET)
    await successor.sees(IN_THE_BAND)
    await writer.sees(IN_THE_BAND)
    await writer.writer.release()

    store.gate.clear()
    store.asked.clear()
    takeover = asyncio.create_task(successor.sees(IN_THE_BAND))
    await store.asked.wait()
    assert await successor.cycle.redecide() is None
    store.gate.set()
    await takeover

    decision = await world.published()
    assert decision is not None
    assert not decision.allow


async def evaluated_once_during_an_outage(world: World) -> Node:
    node = world.evaluator("successor")
    world.backend.available = False
    await node.sees(IN_THE_BAND)
    world.backend.available = True
    return node


def test_before_a_new_configuration_is_observed_an_override_uses_the_old_one() -> None:
    plan = one_latch()
    wider = replace(plan, tiers={**plan.tiers, "extra": plan.tiers[plan.default_tier]})

    during, after = in_virtual_time(decided_during_and_after_a_cycle(wider))

    assert plan.tiers.keys() == during.tiers.keys()
    assert wider.tiers.keys() == after.tiers.keys()


async def decided_during_and_after_a_cycle(plan: Plan) -> tuple[Decision, Decision]:
    """Decide while the first cycle of a new configuration waits for its observations."""
    node = World().evaluator()
    await node.sees(0.5)
    node.cycle.apply_settings(snapshot(plan))
    node.source.takes = 1
    cycle = asyncio.create_task(node.cycle.evaluate())
    await asyncio.sleep(0.5)
    during, after = await node.cycle.redecide(), await cycle

    assert during is not None
    assert during.decision is not None
    assert after.decision is not None
    return during.decision, after.decision
