"""A Redis master that freezes behind Sentinel (FAULTS R7)."""

import pytest

from shield_common.store.protocol import PublishResult, StoreError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings, SentinelSettings
from tests.integration.store.failing import DOCUMENT, PATIENCE, VERBS, OpenStore, Verb, failure_of
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.redis_sentinel import MASTER_NAME, RedisSentinel, replica_of
from tests.rig.server import start_all
from tests.rig.waiting import wait_until

# Sentinel takes three seconds to notice and two to act; the product promises ten in all. More is
# for busy machines.
FAILOVER = 30.0


@pytest.fixture
async def master(rig: Rig) -> RedisServer:
    master = RedisServer(rig, "master")
    await master.start()
    return master


@pytest.fixture
async def sentinels(rig: Rig, master: RedisServer) -> list[RedisSentinel]:
    replica = RedisServer(rig, "replica", replica_of(master))
    watching = [RedisSentinel(rig, master, f"sentinel-{number}") for number in range(2)]
    await start_all(replica, *watching)
    return watching


@pytest.fixture
def store(sentinels: list[RedisSentinel], open_store: OpenStore) -> RedisStore:
    addresses = tuple(sentinel.address for sentinel in sentinels)
    return open_store(
        RedisSettings(
            url="redis:///0", sentinel=SentinelSettings(master=MASTER_NAME, addresses=addresses)
        )
    )


async def test_r7_writing_goes_on_at_the_new_master(master: RedisServer, store: RedisStore) -> None:
    await store.publish(DOCUMENT)
    master.freeze()

    async def published() -> bool:
        try:
            return PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result
        except StoreError:
            return False

    await wait_until(published, within=FAILOVER, what="a publication on the new master")


async def test_r7_a_new_subscription_hears_the_new_master(
    master: RedisServer, store: RedisStore
) -> None:
    await store.publish(DOCUMENT)
    master.freeze()

    async def heard() -> bool:
        try:
            async with store.subscribe_decisions() as subscription:
                await store.publish(DOCUMENT)
                return b"decision" == await subscription.next(PATIENCE)
        except StoreError:
            return False

    await wait_until(heard, within=FAILOVER, what="a decision from the new master")


async def test_r7_a_frozen_sentinel_is_passed_over(
    sentinels: list[RedisSentinel], store: RedisStore
) -> None:
    sentinels[0].freeze()
    assert PublishResult.PUBLISHED is (await store.publish(DOCUMENT)).result


@VERBS
async def test_r7_no_sentinel_at_all_is_an_error(
    sentinels: list[RedisSentinel], store: RedisStore, verb: Verb
) -> None:
    for sentinel in sentinels:
        sentinel.kill()
    assert "connection" == (await failure_of(verb(store))).kind


@VERBS
async def test_r7_a_master_that_sentinel_does_not_know_is_an_error(
    sentinels: list[RedisSentinel], open_store: OpenStore, verb: Verb
) -> None:
    wrong = SentinelSettings(master="another", addresses=(sentinels[0].address,))
    store = open_store(RedisSettings(url="redis:///0", sentinel=wrong))
    assert "connection" == (await failure_of(verb(store))).kind
