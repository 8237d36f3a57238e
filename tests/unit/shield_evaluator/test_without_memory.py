"""An evaluator that knows of no earlier decision: what it may publish (S2, N6)."""

from dataclasses import replace

import pytest

from shield_common.decision import encode_decision
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import ColdStart, OnBlind, Plan, Threshold
from shield_evaluator.core.state import LatchState
from shield_evaluator.cycle_result import CycleOutcome
from tests.unit.shield_evaluator.plans import (
    BLIND_AFTER_MS,
    SIGNAL,
    TIER,
    USUAL,
    complete,
    one_latch,
    partial,
    signal_plan,
    silent,
)
from tests.unit.shield_evaluator.world import INTERVAL, KEYS, LEASE, Node, World, allows, snapshot

DELAY_SECONDS = 300


@pytest.fixture
def world() -> World:
    return World()


def delayed(plan: Plan | None = None) -> Plan:
    return replace(plan or one_latch(), cold_start_delay_ms=DELAY_SECONDS * 1000)


async def outcome(node: Node, observation: Observation) -> CycleOutcome:
    node.source.seen = {SIGNAL: observation}
    return (await node.cycle.evaluate()).outcome


@pytest.mark.parametrize(
    "observation",
    [
        pytest.param(silent(), id="no samples"),
        pytest.param(partial(0.5), id="low, but a member is missing"),
        pytest.param(partial(0.85), id="between, but a member is missing"),
        pytest.param(complete(0.85), id="between the thresholds"),
    ],
)
async def test_trial_s2_nothing_is_published_on_an_observation_that_proves_nothing(
    world: World, observation: Observation
) -> None:
    one = world.evaluator(plan=delayed())
    assert CycleOutcome.WITHHELD is await outcome(one, observation)
    assert await world.published() is None
    assert world.backend.get(KEYS.allow) is None


async def test_trial_s2_a_value_above_set_is_not_admitted_while_set_for_runs(world: World) -> None:
    one = world.evaluator(plan=one_latch(Threshold(set=0.9, reset=0.8, set_for_ms=60_000)))
    assert CycleOutcome.WITHHELD is await outcome(one, complete(0.95))


@pytest.mark.parametrize(
    ("observation", "allow"),
    [(complete(0.5), True), (complete(0.95), False), (partial(0.95), False)],
)
async def test_trial_s2_a_proof_is_published_at_once(
    world: World, observation: Observation, *, allow: bool
) -> None:
    one = world.evaluator(plan=delayed())
    assert CycleOutcome.PUBLISHED is await outcome(one, observation)
    assert allow is await allows(world)


async def test_trial_s2_a_blind_signal_ends_the_wait(world: World) -> None:
    one = world.evaluator()
    await outcome(one, silent())
    world.clock.step(BLIND_AFTER_MS / 1000 - 0.001)
    assert CycleOutcome.WITHHELD is await outcome(one, silent())
    world.clock.step(0.001)
    assert CycleOutcome.PUBLISHED is await outcome(one, silent())
    assert await allows(world)


@pytest.mark.parametrize(("on_blind", "allow"), [(OnBlind.DENY, False), (OnBlind.ALLOW, True)])
async def test_trial_s2_a_blind_signal_decides_by_on_blind(
    world: World, on_blind: OnBlind, *, allow: bool
) -> None:
    one = world.evaluator(plan=one_latch(on_blind=on_blind))
    await outcome(one, silent())
    world.clock.step(BLIND_AFTER_MS / 1000)
    await outcome(one, silent())
    assert allow is await allows(world)


async def test_trial_s2_partial_observations_end_the_wait_after_blind_after(world: World) -> None:
    one = world.evaluator()
    await outcome(one, partial(0.5))
    world.clock.step(BLIND_AFTER_MS / 1000)
    assert CycleOutcome.PUBLISHED is await outcome(one, partial(0.5))


async def test_trial_s2_cold_start_set_denies_at_once(world: World) -> None:
    one = world.evaluator(plan=one_latch(cold_start=ColdStart.SET))
    await outcome(one, silent())
    assert not await allows(world)


async def test_trial_s2_an_emptied_store_and_a_new_evaluator_publish_nothing(world: World) -> None:
    await world.evaluator("before").sees(0.95)
    world.backend.flush()
    after = world.evaluator("after")
    assert CycleOutcome.WITHHELD is await outcome(after, silent())
    assert await world.published() is None


async def test_the_lease_is_kept_while_nothing_is_published(world: World) -> None:
    one, two = world.evaluator("one"), world.evaluator("two")
    for _ in range(5):
        assert CycleOutcome.WITHHELD is await outcome(one, silent())
        assert CycleOutcome.STANDBY is await outcome(two, silent())
        world.clock.step(LEASE - 1)


async def test_a_writer_that_published_meanwhile_is_followed(world: World) -> None:
    one, two = world.evaluator("one"), world.evaluator("two")
    await outcome(one, silent())
    world.clock.step(LEASE)
    await two.sees(0.95)
    await two.writer.release()
    await outcome(one, silent())
    assert LatchState.SET is one.results[-1].state.latches[TIER, SIGNAL].state


@pytest.mark.parametrize("allow", [True, False])
async def test_an_override_is_published_at_once(world: World, *, allow: bool) -> None:
    one = world.evaluator()
    await outcome(one, silent())
    await world.operator_says(allow=allow)
    await one.cycle.redecide()
    assert allow is await allows(world)


class TestSeveralTiers:
    plan = Plan(
        signals={"db-file": signal_plan(), "other": signal_plan()},
        tiers={TIER: {"db-file": USUAL}, "critical": {"other": USUAL}},
        default_tier=TIER,
        cold_start_delay_ms=DELAY_SECONDS * 1000,
    )

    async def test_an_admission_waits_for_the_undecided_tier(self, world: World) -> None:
        one = world.evaluator(plan=self.plan)
        one.source.seen = {"db-file": complete(0.5), "other": silent()}
        assert CycleOutcome.WITHHELD is (await one.cycle.evaluate()).outcome

    async def test_a_denial_of_the_default_tier_is_published_without_it(self, world: World) -> None:
        one = world.evaluator(plan=self.plan)
        one.source.seen = {"db-file": complete(0.95), "other": silent()}
        await one.cycle.evaluate()
        decision = await world.published()
        assert decision is not None
        assert (False, {TIER}) == (decision.allow, set(decision.tiers))

    async def test_n6_a_denial_of_a_lower_tier_does_not_end_the_wait(self, world: World) -> None:
        lower = Threshold(set=0.7, reset=0.6)
        plan = replace(
            self.plan, tiers={TIER: {"db-file": USUAL}, "background": {"db-file": lower}}
        )
        one = world.evaluator(plan=plan)
        one.source.seen = {"db-file": complete(0.85), "other": complete(0.5)}
        assert CycleOutcome.WITHHELD is (await one.cycle.evaluate()).outcome

    async def test_a_denial_ends_the_wait_between_the_thresholds(self, world: World) -> None:
        one = world.evaluator(plan=self.plan)
        one.source.seen = {"db-file": complete(0.95), "other": complete(0.85)}
        await one.cycle.evaluate()
        decision = await world.published()
        assert decision is not None
        assert decision.tiers["critical"].allow

    async def test_a_tier_added_by_a_reload_has_the_default_tiers_bit(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.95)
        one.cycle.apply_settings(snapshot(self.plan))
        one.source.seen = {"db-file": complete(0.95), "other": silent()}
        await one.cycle.evaluate()
        decision = await world.published()
        assert decision is not None
        assert not decision.tiers["critical"].allow


class TestN6TheStoredDecision:
    @pytest.mark.parametrize("latches", [None, b"garbage"], ids=["lost", "undecodable"])
    @pytest.mark.parametrize("before", [0.5, 0.95])
    async def test_n6_its_bits_are_kept_between_the_thresholds(
        self, world: World, latches: bytes | None, before: float
    ) -> None:
        await world.evaluator("before").sees(before)
        world.backend.delete(KEYS.latches)
        if latches is not None:
            world.backend.put(KEYS.latches, latches)
        world.clock.step(LEASE)
        await world.evaluator("after", plan=delayed()).sees(0.85)
        assert (before < 0.9) is await allows(world)

    async def test_n6_its_bits_are_kept_without_samples(self, world: World) -> None:
        await world.evaluator("before").sees(0.95)
        world.backend.delete(KEYS.latches)
        world.clock.step(LEASE)
        after = world.evaluator("after")
        assert CycleOutcome.PUBLISHED is await outcome(after, silent())
        assert not await allows(world)

    async def test_n6_its_denial_ends_below_reset(self, world: World) -> None:
        await world.evaluator("before").sees(0.95)
        world.backend.delete(KEYS.latches)
        world.clock.step(LEASE)
        await world.evaluator("after").sees(0.5)
        assert await allows(world)

    async def test_n6_an_override_in_it_says_nothing_about_the_latches(self, world: World) -> None:
        before = world.evaluator("before")
        await world.operator_says(allow=True)
        decision = (await before.sees(0.95)).decision
        assert decision is not None
        world.backend.flush()
        world.backend.put(KEYS.decision, encode_decision(decision))
        after = world.evaluator("after")
        assert CycleOutcome.WITHHELD is await outcome(after, silent())

    async def test_n6_with_nothing_stored_admitters_keep_theirs_for_its_lifetime(
        self, world: World
    ) -> None:
        await world.evaluator("before").sees(0.95)
        world.backend.flush()
        after = world.evaluator("after", plan=delayed())
        for _ in range(round(DELAY_SECONDS / INTERVAL)):
            assert CycleOutcome.WITHHELD is await outcome(after, complete(0.85))
            world.clock.step()
        assert CycleOutcome.PUBLISHED is await outcome(after, complete(0.85))
        assert await allows(world)

    async def test_n6_a_store_that_fails_while_it_is_read_is_asked_again(
        self, world: World
    ) -> None:
        await world.evaluator("before").sees(0.95)
        world.backend.delete(KEYS.latches)
        world.clock.step(LEASE)
        after = world.evaluator("after")
        world.backend.available = False
        await after.sees(0.85)
        world.backend.available = True
        await after.sees(0.85)
        assert not await allows(world)
