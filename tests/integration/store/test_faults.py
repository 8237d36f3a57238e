"""What the Redis store does when Redis is away, full, frozen, loading, or does not want us.

Every verb ends with `StoreError` of the right kind. The product promises two seconds; here a test
waits longer, as the machine may be busy, but not as long as redis-py would by itself.
"""

import asyncio

import pytest

from shield_common.store.protocol import PublishResult, Store, StoreError
from shield_common.store.settings import RedisSettings
from tests.integration.store.failing import (
    DOCUMENT,
    KEYS,
    LONG_MS,
    VERBS,
    OpenStore,
    Verb,
    failure_of,
)
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.redis_sentinel import replica_of
from tests.rig.waiting import wait_until

RECOVERY = 20.0  # seconds
SILENCE = 0.2  # seconds


async def works_again(store: Store) -> None:
    async def published() -> bool:
        try:
            return PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result
        except StoreError:
            return False

    await wait_until(published, within=RECOVERY, what="the store to work again")


@VERBS
async def test_r1_a_redis_that_is_gone_is_a_connection_error(
    rig: Rig, verb: Verb, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    await store.publish(DOCUMENT)
    server.kill()
    assert "connection" == (await failure_of(verb(store))).kind


async def test_r1_a_redis_that_comes_back_is_used_again(rig: Rig, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    await store.publish(DOCUMENT)
    server.kill()
    await failure_of(store.read_decision())
    await server.start()
    await works_again(store)


@VERBS
async def test_r2_a_frozen_redis_is_a_timeout(rig: Rig, verb: Verb, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    await store.publish(DOCUMENT)
    server.freeze()
    assert "timeout" == (await failure_of(verb(store))).kind


async def test_r2_a_frozen_redis_is_silent_to_its_subscribers(
    rig: Rig, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    async with store.subscribe_decisions() as subscription:
        server.freeze()
        assert await subscription.next(SILENCE) is None
        server.thaw()


async def test_r4_a_full_redis_writes_nothing_and_announces_nothing(
    rig: Rig, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    async with store.subscribe_decisions() as subscription:
        await server.call("CONFIG SET", "maxmemory", 1)
        assert "out_of_memory" == (await failure_of(store.publish(DOCUMENT))).kind
        assert await subscription.next(SILENCE) is None
    assert [] == await server.call("KEYS", "*")


async def test_r4_a_full_redis_keeps_the_last_decision(rig: Rig, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    await store.publish(DOCUMENT)
    await server.call("CONFIG SET", "maxmemory", 1)
    await failure_of(store.claim_lease("ada", LONG_MS))
    stored = await store.read_decision()
    assert stored is not None
    assert b"decision" == stored.document


async def test_r4_a_redis_with_room_again_is_used_at_once(rig: Rig, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    await server.call("CONFIG SET", "maxmemory", 1)
    await failure_of(store.publish(DOCUMENT))
    await server.call("CONFIG SET", "maxmemory", 0)
    assert PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl", "noeviction"])
async def test_r5_the_eviction_policy_is_what_redis_runs_with(
    rig: Rig, policy: str, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    await server.call("CONFIG SET", "maxmemory-policy", policy)
    store = open_store(RedisSettings(url=server.url))
    assert policy == await store.eviction_policy()


async def test_r8_a_replica_refuses_to_be_written(rig: Rig, open_store: OpenStore) -> None:
    master = RedisServer(rig, "master")
    await master.start()
    replica = RedisServer(rig, "replica", replica_of(master))
    await replica.start()
    store = open_store(RedisSettings(url=replica.url))
    assert "read_only" == (await failure_of(store.publish(DOCUMENT))).kind


async def test_r8_a_redis_that_loads_its_data_says_so(rig: Rig, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    # Enough keys of enough bytes that a slow load answers in between.
    await server.call("EVAL", "for i = 1, 2000 do redis.call('SET', i, ('x'):rep(200)) end", 0)
    await server.call("SAVE")
    await server.stop()
    slow_load = ["key-load-delay 10000", "loading-process-events-interval-bytes 1024"]
    server.options = RedisOptions(lines=slow_load)
    server.launch()
    store = open_store(RedisSettings(url=server.url))

    async def loading() -> bool:
        try:
            await store.read_decision()
        except StoreError as error:
            return "loading" == error.kind
        return False

    await wait_until(loading, within=RECOVERY, what="Redis to say that it is loading")


@VERBS
async def test_r8_a_redis_with_too_many_clients_says_so(
    rig: Rig, verb: Verb, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    await server.call("CONFIG SET", "maxclients", 1)
    store = open_store(RedisSettings(url=server.url))

    async def connection_is_taken() -> bool:
        # The administrator's own connection may take a moment to be gone.
        writer.write(b"PING\r\n")
        return b"+PONG\r\n" == await reader.readline()

    reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
    if not await connection_is_taken():
        reader, writer = await asyncio.open_connection(LOOPBACK, server.port)
        assert await connection_is_taken()
    assert "too_many_clients" == (await failure_of(verb(store))).kind
    writer.close()
    await writer.wait_closed()


async def test_r8_a_killed_connection_costs_no_verb(rig: Rig, open_store: OpenStore) -> None:
    server = RedisServer(rig)
    await server.start()
    store = open_store(RedisSettings(url=server.url))
    for _ in range(3):
        await server.call("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
        assert PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result


async def test_a_key_of_another_type_is_an_error_of_its_own(
    rig: Rig, open_store: OpenStore
) -> None:
    server = RedisServer(rig)
    await server.start()
    await server.call("LPUSH", KEYS.decision, "not a document")
    store = open_store(RedisSettings(url=server.url))
    assert "other" == (await failure_of(store.read_decision())).kind
