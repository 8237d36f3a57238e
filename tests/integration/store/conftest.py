"""Servers for the contract, started once for all of its tests."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import pytest
import pytest_asyncio

from shield_common.config.types import Duration
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings, SentinelSettings
from tests.integration.store.deployments import Deployment, InMemory, OnRedis, Site
from tests.integration.store.failing import CLUSTER, OpenStore
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.redis_cluster import ClusterNode, form_cluster
from tests.rig.redis_sentinel import MASTER_NAME, RedisSentinel, replica_of
from tests.rig.server import start_all
from tests.rig.waiting import wait_until

# The contract is about answers, not about how fast a busy machine gives them.
PATIENT: Final = Duration(2)


async def _single(rig: Rig) -> OnRedis:
    server = RedisServer(rig)
    await server.start()
    return OnRedis(RedisSettings(url=server.url, timeout=PATIENT), [server])


async def _sentinel(rig: Rig) -> OnRedis:
    master = RedisServer(rig, "master")
    await master.start()
    replica = RedisServer(rig, "replica", replica_of(master))
    sentinel = RedisSentinel(rig, master)
    await start_all(replica, sentinel)
    addresses = SentinelSettings(master=MASTER_NAME, addresses=(sentinel.address,))
    settings = RedisSettings(url="redis:///0", sentinel=addresses, timeout=PATIENT)
    return OnRedis(settings, [master, replica])


async def _cluster(rig: Rig) -> OnRedis:
    nodes = [ClusterNode(rig, f"node-{number}") for number in range(3)]
    await form_cluster(nodes)
    return OnRedis(RedisSettings(url=nodes[0].url, cluster=True, timeout=PATIENT), nodes)


@pytest_asyncio.fixture(
    scope="session",
    loop_scope="session",
    params=[None, _single, _sentinel, _cluster],
    ids=["memory", "redis", "sentinel", "cluster"],
)
async def deployment(request: pytest.FixtureRequest) -> AsyncIterator[Deployment]:
    if request.param is None:
        yield InMemory()
        return
    async with Rig() as rig:
        yield await request.param(rig)


@pytest.fixture
async def site(deployment: Deployment) -> AsyncIterator[Site]:
    site = Site(deployment)

    async def answers() -> bool:
        with suppress(StoreError):
            await site.store.read_override()
            return True
        return False

    # Before its first command a client of a cluster asks for nodes and commands, which on a busy
    # machine takes longer than an operation may.
    await wait_until(answers, within=30.0, what="the store to be connected")
    yield site
    await site.store.close()


@pytest.fixture
async def open_store() -> AsyncIterator[OpenStore]:
    stores: list[RedisStore] = []

    def open_it(settings: RedisSettings) -> RedisStore:
        stores.append(RedisStore(settings, cluster=CLUSTER))
        return stores[-1]

    yield open_it
    for store in stores:
        await store.close()
