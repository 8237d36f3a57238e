"""Kueue itself: its queue stops while etcd is full, and Jobs wait in it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster import kueue
from tests.cluster.filling import full_etcd
from tests.cluster.images import Builder
from tests.cluster.release import Release
from tests.rig.kubernetes import installed

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAMES = ("first", "second", "third")


@pytest_asyncio.fixture(loop_scope="session")
async def queueing(shield: Release, builder: Builder) -> AsyncIterator[Release]:
    """The release, whose controller stops and starts a queue of Kueue."""
    programs = [Path(installed(name)) for name in ("kueue", "tekton")]
    await kueue.install(shield.node, builder, *programs)
    values = shield.values
    await shield.upgrade({"kueue": {"clusterQueues": [kueue.QUEUE]}})
    await shield.wait_rolled_out("controller")
    yield shield
    shield.values = values
    await shield.upgrade()


async def test_jobs_wait_in_kueue_while_etcd_is_full_and_run_afterwards(queueing: Release) -> None:
    node = queueing.node
    async with full_etcd(queueing):
        await kueue.wait_policy(node, "Hold")
        for name in NAMES:
            reply = await node.api.create(kueue.job(name))
            assert HTTPStatus.CREATED == reply.status, reply.message
        jobs = [(await node.api.get(f"{kueue.JOBS}/{name}")).body for name in NAMES]
        assert [True] * len(NAMES) == [job["spec"]["suspend"] for job in jobs]
        assert [None] * len(NAMES) == [job["status"].get("startTime") for job in jobs]
    await kueue.wait_policy(node, "None")
    await kueue.wait_complete(node, *NAMES)
