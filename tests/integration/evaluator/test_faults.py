"""One evaluator, and what around it fails (R1, R4 to R7, E1, E4 to E6, E8, P1)."""

import asyncio
import datetime as dt

import pytest
from aiohttp import web

from shield_common.decision import Override, decode_decision, encode_override
from shield_evaluator.core.latches_document import decode
from tests.integration.evaluator.installation import (
    KEYS,
    WITHIN,
    Installation,
    config,
    wait_metric,
    wait_outcome,
)
from tests.integration.evaluator.stub import Answer, frozen
from tests.rig.redis import RedisServer
from tests.rig.redis_sentinel import MASTER_NAME, RedisSentinel, replica_of
from tests.rig.server import start_all
from tests.rig.services import JumpyEvaluator
from tests.rig.waiting import wait_until


async def test_r4_a_full_redis_announces_nothing_that_is_not_stored(
    installation: Installation,
) -> None:
    one = await installation.started()
    async with installation.listening() as stream:
        await stream.wait_longer()
        await installation.redis.call("CONFIG", "SET", "maxmemory", "1")
        await wait_outcome(one, "unpublished")
        heard = len(stream.decisions)
        failed = await one.metric("etcd_shield_publish_total", result="error") or 0
        await wait_metric(one, "etcd_shield_publish_total", failed + 3, result="error")
        assert heard == len(stream.decisions)
        await installation.redis.call("CONFIG", "SET", "maxmemory", "0")
        await stream.wait_longer()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_r5_a_redis_that_evicts_is_refused_with_a_sentence(
    installation: Installation, policy: str
) -> None:
    await installation.redis.call("CONFIG", "SET", "maxmemory-policy", policy)
    one = installation.evaluator()
    one.launch()
    assert 1 == await one.child.wait_ended(within=WITHIN)
    assert f"Redis' maxmemory-policy is {policy}" in one.log_tail()
    assert "redis.allow_eviction" in one.log_tail()


async def test_r5_with_allow_eviction_a_redis_that_evicts_is_accepted(
    installation: Installation,
) -> None:
    await installation.redis.call("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    redis = {"url": installation.redis.url, "allow_eviction": True}
    await wait_outcome(await installation.started(redis=redis), "published")


async def test_r6_a_deleted_decision_is_there_again(installation: Installation) -> None:
    await installation.started()
    await installation.redis.call("DEL", KEYS.decision, KEYS.allow)

    async def there() -> bool:
        return bool(await installation.redis.call("EXISTS", KEYS.decision))

    await wait_until(there, within=WITHIN, what="the decision")


async def test_r7_after_a_failover_the_new_master_is_written_and_the_latches_kept(
    installation: Installation,
) -> None:
    master = installation.redis
    replica = RedisServer(installation.rig, "replica", replica_of(master))
    sentinel = RedisSentinel(installation.rig, master)
    await start_all(replica, sentinel)
    behind = {"url": "redis:///0"} | {
        "sentinel": {"master": MASTER_NAME, "addresses": [sentinel.address]}
    }
    installation.measure(0.95)
    await installation.started(redis=behind)
    async with installation.listening() as before:
        await before.wait_for(allow=False)
    installation.measure(0.85)
    master.freeze()

    async def promoted() -> bool:
        return "master" == str((await replica.call("ROLE"))[0])

    await wait_until(promoted, within=WITHIN, what="the replica to be the master")
    async with installation.listening(to=replica) as stream:
        await stream.wait_longer()
    assert not any(stream.bits)
    master.thaw()


async def test_e4_a_dead_evaluators_decision_ends_with_its_ttl_and_its_latches_stay(
    installation: Installation,
) -> None:
    one = await installation.started(ttl="2s")
    one.kill()

    async def gone() -> bool:
        return not await installation.redis.call("EXISTS", KEYS.decision, KEYS.allow, KEYS.lease)

    await wait_until(gone, within=WITHIN, what="the decision to end")
    assert 1 == await installation.redis.call("EXISTS", KEYS.latches)


async def _asked(installation: Installation, answer: Answer) -> None:
    """Wait for the next query, which is answered like this."""
    asked = asyncio.Event()

    async def note_and_answer(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await answer(request)

    installation.stub.answer = note_and_answer
    async with asyncio.timeout(WITHIN):
        await asked.wait()


async def test_e1_killed_during_a_query_it_leaves_the_last_publication(
    installation: Installation,
) -> None:
    installation.measure(0.95)
    one = await installation.started(lease_ttl="60s")
    await wait_outcome(one, "published")
    await _asked(installation, frozen)
    before = await installation.redis.call("MGET", KEYS.decision, KEYS.allow, KEYS.latches)
    one.kill()
    installation.measure(0.85)
    assert before == await installation.redis.call("MGET", KEYS.decision, KEYS.allow, KEYS.latches)
    await installation.redis.call("DEL", KEYS.lease)  # rather than wait for its end
    await installation.started("two")
    async with installation.listening() as stream:
        await stream.wait_longer()
        assert not any(stream.bits)


async def test_e1_killed_at_any_moment_it_leaves_a_whole_publication(
    installation: Installation,
) -> None:
    for number in range(5):
        installation.measure(0.5)
        one = await installation.started(f"number-{number}")
        await wait_outcome(one, "published")
        installation.measure(0.95)  # the decision on its way is another one
        await _asked(installation, installation.stub.answer)
        await asyncio.sleep(number * 0.001)  # a cycle takes a few milliseconds
        one.kill()
        document, bit, latches = await installation.redis.call(
            "MGET", KEYS.decision, KEYS.allow, KEYS.latches
        )
        decision, stored = decode_decision(document.encode()), decode(latches.encode(), now_ms=0)
        assert (stored.order, bit) == (decision.order, "1" if decision.allow else "0")
        assert decision.allow is stored.state.bits["standard"].allow
        await installation.redis.call("DEL", KEYS.lease)  # rather than wait for its end


@pytest.mark.parametrize("by", [3600, -3600], ids=["an hour ahead", "an hour behind"])
async def test_e5_an_evaluator_with_a_wrong_clock_takes_over_without_a_change(
    installation: Installation, by: int
) -> None:
    installation.measure(0.95)
    one = await installation.started()
    document = config(installation.stub.url, installation.redis.url)
    two = JumpyEvaluator(installation.rig, document, "displaced")
    two.clock.set(by)
    async with installation.listening() as stream:
        await stream.wait_longer(1)
        installation.measure(0.85)
        await two.start()
        await wait_outcome(two, "standby")
        epoch = stream.decisions[-1].epoch
        one.kill()
        await stream.wait_for_epoch_after(epoch)
        await stream.wait_longer()
        assert not any(stream.bits)
        assert sorted(set(stream.orders)) == stream.orders
        off = stream.decisions[-1].evaluated_at - dt.datetime.now(dt.UTC)
    # The clock really was wrong, by an hour and not by the test's own duration.
    assert dt.timedelta(minutes=50) < abs(off)


async def test_e6_swinging_inside_the_band_changes_nothing(installation: Installation) -> None:
    one = await installation.started()
    async with installation.listening() as stream:
        await stream.wait_longer(1)
        for number in range(10):
            installation.measure(0.81 if number % 2 else 0.89)
            await stream.wait_longer(1)
        assert all(stream.bits)
    assert 0 == await one.metric("etcd_shield_transitions_total", tier="standard", to="deny")


async def test_p1_a_frozen_prometheus_costs_the_cycle_its_budget_and_no_more(
    installation: Installation,
) -> None:
    installation.measure(0.95)
    one = await installation.started(blind_after="1s")
    async with installation.listening() as stream:
        await stream.wait_longer(1)
        installation.stub.answer = frozen
        await wait_metric(one, "etcd_shield_signal_state", 1, signal="db-file", state="blind")
        await stream.wait_longer()
        assert not any(stream.bits)
    assert (
        await one.metric("etcd_shield_prometheus_errors_total", **{"class": "timeout"}) or 0
    ) > 0


async def test_queries_are_one_per_signal_and_evaluation(installation: Installation) -> None:
    one = await installation.started()
    async with installation.listening() as stream:
        await stream.wait_longer(10)
    await one.stop()
    assert len(installation.stub.requests) == pytest.approx(len(stream.decisions), abs=5)


async def test_an_override_is_in_force_at_once(installation: Installation) -> None:
    # A cycle a minute: what is heard within seconds did not wait for the next one.
    await installation.started(interval="60s", lease_ttl="120s")
    now = dt.datetime.now(dt.UTC)
    override = Override(
        allow=False, reason="upgrade", by="ops", since=now, until=now + dt.timedelta(hours=1)
    )
    async with installation.listening() as stream:
        await asyncio.sleep(0)
        await installation.store.put_override(encode_override(override), 3_600_000)
        await stream.wait_for(allow=False)
        assert "denied by an operator" in stream.decisions[-1].tiers["standard"].reason
        await installation.store.clear_override()
        await stream.wait_for(allow=True)


class TestReload:
    async def test_a_new_threshold_applies_without_a_restart(
        self, installation: Installation
    ) -> None:
        one = await installation.started()
        async with installation.listening() as stream:
            await stream.wait_for(allow=True)
            one.config["tiers"] = {"standard": {"db-file": {"set": 0.4, "reset": 0.3}}}
            one.write()
            await stream.wait_for(allow=False)

    async def test_a_latch_that_still_exists_is_kept(self, installation: Installation) -> None:
        installation.measure(0.95)
        one = await installation.started()
        async with installation.listening() as stream:
            await stream.wait_for(allow=False)
            installation.measure(0.85)
            one.config["tiers"] = {"standard": {"db-file": {"set": 0.97, "reset": 0.7}}}
            one.write()
            await wait_metric(one, "etcd_shield_config_reloads_total", 1, result="success")
            await stream.wait_longer()
            assert not any(stream.bits)

    async def test_e8_a_bad_file_keeps_the_old_one(self, installation: Installation) -> None:
        one = await installation.started()
        one.config_file.write_text("cluster: [")
        await wait_metric(one, "etcd_shield_config_reloads_total", 1, result="failure")
        assert "not YAML" in (await one.status())["config"]
        async with installation.listening() as stream:
            await stream.wait_longer()

    async def test_a_key_that_needs_a_restart_is_logged(self, installation: Installation) -> None:
        one = await installation.started()
        one.config["cluster"] = "other"
        one.write()
        await wait_metric(one, "etcd_shield_config_reloads_total", 1, result="restart_needed")
        assert "cluster cannot change without a restart" == (await one.status())["config"]


async def test_r1_a_redis_that_returns_empty_is_written_again(
    installation: Installation, redis: RedisServer
) -> None:
    installation.measure(0.95)
    one = await installation.started()
    redis.kill()
    await wait_outcome(one, "unpublished")
    installation.measure(0.85)
    await redis.start()
    await wait_outcome(one, "published")
    async with installation.listening() as stream:
        await stream.wait_longer()
        assert not any(stream.bits)
