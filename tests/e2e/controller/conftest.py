"""One API server for all scenarios, and a Redis and namespaces of its own for each."""

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.e2e.controller.cluster import ALL_RUNS, Cluster
from tests.e2e.objects import namespace, pipeline_run_definition
from tests.rig.apiserver import KubeApiServer
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes_api import Object
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.waiting import wait_until


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def apiserver(assets: Path) -> AsyncIterator[KubeApiServer]:
    async with Rig() as rig:
        etcd = EtcdServer(rig)
        await etcd.start()
        server = KubeApiServer(rig, assets, etcd)
        await server.start()
        for name in ("team-a", "team-b", "team-a-releng", "shield"):
            await server.api.create(namespace(name))
        await define(server, pipeline_run_definition(), ALL_RUNS)
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def cluster(apiserver: KubeApiServer) -> AsyncIterator[Cluster]:
    async with Rig() as rig:
        redis = RedisServer(rig, f"redis-{secrets.token_hex(4)}")
        await redis.start()
        yield Cluster(rig=rig, apiserver=apiserver, redis=redis)
    for item in await apiserver.api.items(ALL_RUNS):
        place = item["metadata"]["namespace"]
        path = f"/apis/tekton.dev/v1/namespaces/{place}/pipelineruns/{item['metadata']['name']}"
        await apiserver.api.patch(path, {"metadata": {"finalizers": None}})
        await apiserver.api.delete(path)


async def define(server: KubeApiServer, definition: Object, path: str) -> None:
    """Create a definition and wait until its objects are served."""
    await server.api.create(definition)

    async def served() -> bool:
        return 200 == (await server.api.get(path)).status

    await wait_until(served, within=60, what=f"{path} to be served")
