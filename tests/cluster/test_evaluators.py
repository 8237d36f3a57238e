"""Two evaluators: one writes, the other stands by."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from tests.cluster.load import creations
from tests.cluster.release import ROLLOUT_SECONDS, Release
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def pair(shield: Release) -> AsyncIterator[Release]:
    await shield.upgrade({"evaluator": {"replicas": 2}})
    try:
        await shield.wait_rolled_out()
        yield shield
    finally:
        await shield.upgrade({"evaluator": {"replicas": 1}})
        await shield.wait_rolled_out()


def is_ready(pod: Object) -> bool:
    conditions = pod["status"].get("conditions", [])
    return "True" in {c["status"] for c in conditions if "Ready" == c["type"]}


async def writers(release: Release) -> list[str]:
    """Return the names of the pods that hold the lease."""
    names = [pod["metadata"]["name"] for pod in await release.pods("evaluator") if is_ready(pod)]
    held = "etcd_shield_lease_held"
    return [name for name in names if 1 == await release.metric("evaluator", held, pod=name)]


async def next_writer(release: Release, *, after: str = "") -> str:
    """Wait until exactly one pod writes, and another than before."""
    found: list[str] = []

    async def one() -> bool:
        found[:] = await writers(release)
        return 1 == len(found) and after != found[0]

    await wait_until(one, within=ROLLOUT_SECONDS, what="one writer", every=0.3)
    return found[0]


async def test_one_of_two_evaluators_writes_and_the_other_takes_over(pair: Release) -> None:
    first = await next_writer(pair)
    standby = {pod["metadata"]["name"] for pod in await pair.pods("evaluator")} - {first}
    async with creations(pair) as load:
        await pair.node.api.delete(f"{pair.pods_path}/{first}")
        assert standby == {await next_writer(pair, after=first)}
        await pair.wait_rolled_out()
    assert [] == load.others
    assert {HTTPStatus.CREATED: load.total} == dict(load.statuses)
