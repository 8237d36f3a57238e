"""What creations see while parts of the shield are replaced."""

from http import HTTPStatus

import pytest

from tests.cluster.load import Load, creations
from tests.cluster.release import COMPONENTS, Release

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def restart(release: Release, component: str) -> None:
    """Do what `kubectl rollout restart` does, and wait until it is done."""
    before = {pod["metadata"]["uid"] for pod in await release.pods(component)}
    kind = "statefulset" if component == "redis" else "deployment"
    done = await release.node.commands.kubectl(
        "rollout", "restart", f"--namespace={release.name}",
        f"{kind}/{release.full_name}-{component}",
    )  # fmt: skip
    assert 0 == done.status, done.err
    await release.wait_rolled_out(component)
    assert before.isdisjoint({pod["metadata"]["uid"] for pod in await release.pods(component)})


def assert_only(status: HTTPStatus, load: Load) -> None:
    assert [] == load.others
    assert {status: load.total} == dict(load.statuses)


@pytest.mark.parametrize("component", COMPONENTS)
async def test_k1_a_rollout_fails_no_creation(shield: Release, component: str) -> None:
    async with creations(shield) as load:
        await restart(shield, component)
    assert_only(HTTPStatus.CREATED, load)
