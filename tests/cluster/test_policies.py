"""The chart's NetworkPolicies, enforced by kube-router."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.load import creations
from tests.cluster.node_servers import KubeRouter
from tests.cluster.objects import TEAM
from tests.cluster.release import CHANGE_SECONDS, Release
from tests.rig.kubernetes import installed
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

STRANGER = f"/api/v1/namespaces/{TEAM}/pods/stranger"


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(shield: Release) -> AsyncIterator[None]:
    """A pod of another namespace, with Python."""
    container = {
        "name": "python",
        "image": (await shield.pods("evaluator"))[0]["spec"]["containers"][0]["image"],
        "imagePullPolicy": "Never",
        "command": ["sleep", "3600"],
    }
    await shield.node.api.apply(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "stranger", "namespace": TEAM},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        }
    )

    async def runs() -> bool:
        pod = (await shield.node.api.get(STRANGER)).body
        return bool("Running" == pod["status"].get("phase"))

    await wait_until(runs, within=CHANGE_SECONDS, what="a pod to run", every=0.3)
    yield
    await shield.node.api.delete(STRANGER, grace=0)


@pytest_asyncio.fixture(loop_scope="session")
async def enforcing(shield: Release) -> AsyncIterator[KubeRouter]:
    """kube-router, which is not started yet; its rules are removed afterwards."""
    node = shield.node
    router = KubeRouter(node.machine, Path(installed("kube-router")), node.inner_kubeconfig)
    yield router
    await router.undo()


async def reaches_redis(shield: Release) -> bool:
    """Whether the stranger can connect to Redis."""
    address = f"('{shield.full_name}-redis.{shield.name}.svc', 6379)"
    attempt = f"import socket; socket.create_connection({address}, timeout=2)"
    done = await shield.node.commands.kubectl(
        "exec", f"--namespace={TEAM}", "stranger", "--", "python3", "-c", attempt
    )
    return 0 == done.status


@pytest.mark.usefixtures("stranger")
async def test_other_pods_do_not_reach_redis_and_the_services_go_on(
    shield: Release, enforcing: KubeRouter
) -> None:
    assert await reaches_redis(shield)  # which the policies forbid, and nobody enforces yet
    async with creations(shield) as load:
        await enforcing.start()

        async def cut_off() -> bool:
            return not await reaches_redis(shield)

        await wait_until(cut_off, within=CHANGE_SECONDS, what="the policies", every=0.5)
        # Connections that exist may go on; new pods make their own.
        await shield.replace_pods("evaluator", "admitter")
        await load.wait_more()
    assert [] == load.others
    assert {HTTPStatus.CREATED: load.total} == dict(load.statuses)
    assert not await reaches_redis(shield)
    assert 1 == await shield.metric("evaluator", "etcd_shield_lease_held")
    assert [1] * 3 == [
        await shield.metric("admitter", "etcd_shield_redis_up", pod=pod["metadata"]["name"])
        for pod in await shield.pods("admitter")
    ]
