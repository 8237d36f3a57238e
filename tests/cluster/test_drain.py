"""A node is drained and comes back."""

from http import HTTPStatus

import pytest

from tests.cluster.first_process import NODE_NAME
from tests.cluster.load import creations
from tests.cluster.release import Release

pytestmark = pytest.mark.asyncio(loop_scope="session")

DRAIN = ("drain", NODE_NAME, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=20s")


async def test_k1_a_drain_leaves_an_admitter_and_fails_no_creation(shield: Release) -> None:
    kubectl = shield.node.commands.kubectl
    async with creations(shield) as load:
        try:
            drained = await kubectl(
                *DRAIN, f"--pod-selector=app.kubernetes.io/name={shield.full_name}"
            )
        finally:
            uncordoned = await kubectl("uncordon", NODE_NAME)
        await shield.wait_rolled_out()
    # There is no other node: what the disruption budget protects stays where it is.
    assert "would violate the pod's disruption budget" in drained.err
    assert 0 == uncordoned.status, uncordoned.err
    assert [] == load.others
    assert {HTTPStatus.CREATED: load.total} == dict(load.statuses)
