"""What a cycle does: alone, beside another evaluator, and while the store fails."""

from datetime import timedelta

import pytest

from shield_common.decision import decode_decision
from shield_common.store.protocol import PublishResult
from shield_evaluator.core.plan import Threshold
from shield_evaluator.core.state import Latch, LatchState, ShieldState
from shield_evaluator.cycle_result import CycleOutcome
from shield_evaluator.latch_memory import LatchMemory
from shield_evaluator.lease import EvictionPolicyError
from tests.unit.shield_evaluator.plans import BLIND_AFTER_MS, SIGNAL, TIER, one_latch, silent
from tests.unit.shield_evaluator.world import INTERVAL, KEYS, LEASE, World, allows, snapshot


@pytest.fixture
def world() -> World:
    return World()


class TestAlone:
    async def test_the_first_cycle_publishes(self, world: World) -> None:
        report = await world.evaluator().sees(0.5)
        assert (CycleOutcome.PUBLISHED, report.decision) == (
            report.outcome,
            await world.published(),
        )

    async def test_the_plain_bit_is_the_default_tiers(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.95)
        assert b"0" == world.backend.get(KEYS.allow)

    async def test_every_cycle_has_a_higher_order(self, world: World) -> None:
        one = world.evaluator()
        orders = []
        for _ in range(3):
            decision = (await one.sees(0.5)).decision
            assert decision is not None
            orders.append(decision.order)
        assert sorted(set(orders)) == orders

    async def test_the_status_url_is_in_every_decision(self, world: World) -> None:
        await world.evaluator().sees(0.5)
        decision = await world.published()
        assert decision is not None
        assert "https://status.example" == decision.status_url

    async def test_a_cycle_asks_each_query_once(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        assert 1 == one.source.asked

    async def test_e2_a_restart_in_the_band_keeps_a_denial(self, world: World) -> None:
        await world.evaluator("before").sees(0.95)
        world.clock.step(LEASE)
        await world.evaluator("after").sees(0.85)
        assert not await allows(world)

    async def test_e2_a_restart_in_the_band_keeps_an_admission(self, world: World) -> None:
        await world.evaluator("before").sees(0.5)
        world.clock.step(LEASE)
        await world.evaluator("after").sees(0.85)
        assert await allows(world)

    async def test_with_unreadable_latches_a_decision_is_published(self, world: World) -> None:
        world.backend.put(KEYS.latches, b"garbage")
        assert CycleOutcome.PUBLISHED is (await world.evaluator().sees(0.95)).outcome

    async def test_r5_a_store_that_evicts_is_refused(self, world: World) -> None:
        world.backend.eviction_policy = "allkeys-lru"
        with pytest.raises(EvictionPolicyError, match="maxmemory-policy is allkeys-lru"):
            await world.evaluator().sees(0.5)

    async def test_r5_with_allow_eviction_a_store_that_evicts_is_accepted(
        self, world: World
    ) -> None:
        world.backend.eviction_policy = "allkeys-lru"
        report = await world.evaluator(allow_eviction=True).sees(0.5)
        assert CycleOutcome.PUBLISHED is report.outcome

    @pytest.mark.parametrize("hours", [-1, 1])
    async def test_e5_a_jump_of_the_wall_clock_changes_nothing(
        self, world: World, hours: int
    ) -> None:
        one = world.evaluator(plan=one_latch(Threshold(set=0.9, reset=0.8, set_for_ms=7_000)))
        await one.sees(0.5)
        told = []
        for number in range(4):
            if number == 1:
                world.clock.wall_is_off_by = timedelta(hours=hours)
            decision = (await one.sees(0.95)).decision
            assert decision is not None
            told.append(decision.allow)
            world.clock.step()
        assert [True, True, False, False] == told


class TestE1KilledHalfWay:
    async def test_e1_an_evaluator_killed_before_publishing_has_written_nothing(
        self, world: World
    ) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        before = await world.published()
        one.source.meanwhile = _die
        with pytest.raises(_KilledError):
            await one.sees(0.95)
        assert before == await world.published()

    async def test_e1_a_restarted_evaluator_continues_from_the_last_publication(
        self, world: World
    ) -> None:
        one = world.evaluator("one")
        await one.sees(0.95)
        one.source.meanwhile = _die
        with pytest.raises(_KilledError):
            await one.sees(0.5)
        world.clock.step(LEASE)
        await world.evaluator("two").sees(0.85)
        assert not await allows(world)


class _KilledError(Exception):
    pass


def _die() -> None:
    raise _KilledError


class TestTwoEvaluators:
    async def test_the_second_evaluator_stands_by(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        assert CycleOutcome.STANDBY is (await two.sees(0.99)).outcome

    async def test_a_standby_asks_prometheus_nothing(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        await two.sees(0.5)
        assert 0 == two.source.asked

    async def test_a_standby_reports_the_writers_decision(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.95)
        assert await world.published() == (await two.sees(0.5)).decision

    async def test_e3_a_takeover_inherits_the_latches(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.95)
        world.clock.step(LEASE)
        report = await two.sees(0.85)
        assert (CycleOutcome.PUBLISHED, False) == (report.outcome, await allows(world))

    async def test_e3_time_without_a_writer_counts_for_no_timer(self, world: World) -> None:
        plan = one_latch(Threshold(set=0.9, reset=0.8, reset_for_ms=round(LEASE * 1000)))
        one, two = world.evaluator("one", plan=plan), world.evaluator("two", plan=plan)
        await one.sees(0.95)
        await one.sees(0.5)  # the timer starts, and the writer dies
        await two.sees(0.5)
        world.clock.step(LEASE)
        await two.sees(0.5)
        assert not await allows(world)

    async def test_e3_a_standby_without_a_store_continues_from_its_own_latches(
        self, world: World
    ) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        await two.sees(0.5)
        world.backend.available = False
        await two.sees(0.95)
        world.backend.available = True
        world.clock.step(LEASE)
        await two.sees(0.85)
        assert not await allows(world)

    async def test_e3_a_late_write_of_the_old_holder_is_rejected(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        world.clock.step(LEASE)  # the first one is frozen past its lease
        await two.sees(0.95)
        before = await world.published()
        late = await one.sees(0.5)
        assert PublishResult.FENCED is late.publish
        assert before == await world.published()

    async def test_e3_the_old_holder_stands_by_and_takes_over_again(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        world.clock.step(LEASE)
        await two.sees(0.95)
        await one.sees(0.5)  # rejected
        assert CycleOutcome.STANDBY is (await one.sees(0.5)).outcome
        world.clock.step(LEASE)
        await one.sees(0.85)
        assert not await allows(world)

    async def test_a_takeover_raises_the_epoch(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        first = (await one.sees(0.5)).decision
        world.clock.step(LEASE)
        second = (await two.sees(0.5)).decision
        assert first is not None
        assert second is not None
        assert second.order > first.order
        assert second.epoch > first.epoch

    async def test_a_released_lease_is_taken_at_once(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        await one.writer.release()
        assert CycleOutcome.PUBLISHED is (await two.sees(0.5)).outcome

    async def test_releasing_the_lease_keeps_the_decision(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.95)
        await one.writer.release()
        assert not await allows(world)

    async def test_a_takeover_whose_answer_was_lost_inherits_the_latches(
        self, world: World
    ) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.95)
        world.clock.step(LEASE)
        # The store granted the lease, and its answer never arrived.
        await world.store.claim_lease("two", round(LEASE * 1000))
        await two.sees(0.85)
        assert not await allows(world)


class TestTheStoreFails:
    async def test_without_the_store_latches_continue_in_memory(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        world.backend.available = False
        report = await one.sees(0.95)
        assert CycleOutcome.UNPUBLISHED is report.outcome
        world.backend.available = True
        await one.sees(0.85)
        assert not await allows(world)

    async def test_without_the_store_from_the_start_nothing_is_decided(self, world: World) -> None:
        await world.evaluator("before").sees(0.95)
        world.clock.step(LEASE)
        world.backend.available = False
        after = world.evaluator("after")
        await after.sees(0.85)  # cold: would admit, and cannot say so
        world.backend.available = True
        await after.sees(0.85)
        assert not await allows(world)

    async def test_r3_an_emptied_store_is_whole_again_after_one_cycle(self, world: World) -> None:
        one = world.evaluator()
        before = (await one.sees(0.95)).decision
        world.backend.flush()
        await one.sees(0.85)
        after = await world.published()
        assert before is not None
        assert after is not None
        assert (False, True) == (after.allow, after.order > before.order)

    async def test_r3_a_standby_waits_for_the_writer_after_a_loss(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.95)
        await two.sees(0.5)
        world.backend.flush()
        assert CycleOutcome.STANDBY is (await two.sees(0.85)).outcome
        await one.sees(0.85)
        assert not await allows(world)

    async def test_r3_a_standby_restores_the_latches_of_a_lost_store_and_writer(
        self, world: World
    ) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.95)
        await two.sees(0.5)
        world.backend.flush()
        await two.sees(0.85)
        world.clock.step(LEASE)
        report = await two.sees(0.85)
        assert (CycleOutcome.PUBLISHED, False) == (report.outcome, await allows(world))

    async def test_r3_an_override_survives_an_emptied_store(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        await world.operator_says(allow=False, seconds=60)
        await one.sees(0.5)
        world.backend.flush()
        world.clock.step(10)
        await one.sees(0.5)
        assert not await allows(world)
        stored = await world.store.read_override()
        assert stored is not None
        assert 50_000 == stored.remaining_ms

    async def test_r6_a_deleted_decision_is_there_again_after_one_cycle(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.95)
        world.backend.delete(KEYS.decision)
        await one.sees(0.95)
        assert not await allows(world)

    async def test_no_sequence_number_repeats_after_a_lost_answer(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        world.backend.available = False
        lost = (await one.sees(0.5)).decision
        world.backend.available = True
        found = (await one.sees(0.5)).decision
        assert lost is not None
        assert found is not None
        assert found.order > lost.order


class TestAnOverride:
    async def test_an_override_takes_effect_without_a_new_observation(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        await world.operator_says(allow=False)
        await one.cycle.redecide()
        assert (False, 1) == (await allows(world), one.source.asked)

    async def test_an_override_ends_at_its_expiry(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        await world.operator_says(allow=False, seconds=3)
        await one.cycle.redecide()
        world.clock.step(3)
        await one.cycle.redecide()
        assert await allows(world)

    async def test_an_override_ends_at_its_expiry_while_the_store_is_away(
        self, world: World
    ) -> None:
        one = world.evaluator()
        await world.operator_says(allow=False, seconds=3)
        await one.sees(0.5)
        world.backend.available = False
        world.clock.step(3)
        decision = (await one.sees(0.5)).decision
        assert decision is not None
        assert decision.allow

    async def test_e5_an_override_ends_by_the_monotonic_clock(self, world: World) -> None:
        one = world.evaluator()
        await world.operator_says(allow=False, seconds=60)
        world.clock.wall_is_off_by = timedelta(hours=2)
        await one.sees(0.5)
        assert not await allows(world)

    async def test_an_override_that_is_cleared_ends(self, world: World) -> None:
        one = world.evaluator()
        await world.operator_says(allow=False)
        await one.sees(0.5)
        await world.store.clear_override()
        await one.cycle.redecide()
        assert await allows(world)

    async def test_an_unreadable_override_is_ignored(self, world: World) -> None:
        one = world.evaluator()
        await world.store.put_override(b"garbage", 60_000)
        await one.sees(0.5)
        assert await allows(world)

    async def test_an_override_does_not_move_the_latches(self, world: World) -> None:
        one = world.evaluator()
        await world.operator_says(allow=True)
        report = await one.sees(0.95)
        assert LatchState.SET is report.state.latches[TIER, SIGNAL].state

    async def test_a_standby_publishes_no_override(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        await two.sees(0.5)
        await world.operator_says(allow=False)
        assert None is await two.cycle.redecide()

    async def test_a_takeover_inherits_the_override(self, world: World) -> None:
        one, two = world.evaluator("one"), world.evaluator("two")
        await one.sees(0.5)
        await world.operator_says(allow=False)
        await one.writer.release()
        await two.sees(0.5)
        assert not await allows(world)


class TestAnotherConfiguration:
    async def test_a_new_configuration_keeps_latches_that_it_names(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.95)
        one.cycle.apply_settings(snapshot(one_latch(Threshold(set=0.97, reset=0.7))))
        await one.sees(0.75)
        assert not await allows(world)

    async def test_a_new_configuration_applies_from_the_next_cycle(self, world: World) -> None:
        one = world.evaluator()
        await one.sees(0.5)
        one.cycle.apply_settings(snapshot(one_latch(Threshold(set=0.4, reset=0.3))))
        await one.cycle.redecide()
        assert await allows(world)
        await one.sees(0.5)
        assert not await allows(world)


async def test_a_forecast_follows_from_the_history(world: World) -> None:
    one = world.evaluator()
    for value in (0.70, 0.71, 0.72):
        await one.sees(value)
        world.clock.step()
    decision = await world.published()
    assert decision is not None
    assert 140 == decision.time_to_full_seconds


@pytest.mark.parametrize(
    ("seconds", "forecast"),
    [
        pytest.param(40, 100, id="counts down"),
        pytest.param(BLIND_AFTER_MS / 1000, None, id="ends when the signal is blind"),
    ],
)
async def test_a_forecast_counts_down_without_observations(
    world: World, seconds: float, forecast: int | None
) -> None:
    one = world.evaluator()
    for value in (0.70, 0.71, 0.72):
        await one.sees(value)
        world.clock.step()
    world.clock.step(seconds - INTERVAL)
    one.source.seen = {SIGNAL: silent()}
    await one.cycle.evaluate()
    decision = await world.published()
    assert decision is not None
    assert forecast == decision.time_to_full_seconds


async def test_a_silent_signal_leaves_the_history_alone(world: World) -> None:
    one = world.evaluator()
    await one.sees(0.7)
    one.source.seen = {SIGNAL: silent()}
    await one.cycle.evaluate()
    assert 1 == len(one.cycle.histories()[SIGNAL].points)


async def test_the_announced_document_is_the_stored_one(world: World) -> None:
    one = world.evaluator()
    async with world.store.subscribe_decisions() as subscription:
        await one.sees(0.5)
        document = await subscription.next(1)
    assert document is not None
    assert await world.published() == decode_decision(document)


def test_latches_that_the_next_plan_lacks_are_listed() -> None:
    memory = LatchMemory(pause_ms=1)
    memory.state = ShieldState(
        latches={("critical", SIGNAL): Latch(), (TIER, "other"): Latch(), (TIER, SIGNAL): Latch()}
    )
    assert ["critical/db-file", "standard/other"] == memory.removed_latches(one_latch())
