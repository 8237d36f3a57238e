"""The reason for it all: etcd is filled through the API server, and the shield acts."""

import json

import pytest

from tests.cluster.filling import delete_ballast, fill, free
from tests.cluster.objects import pipeline_run
from tests.cluster.release import Release
from tests.rig.commands import Ended

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def create_with_kubectl(shield: Release) -> Ended:
    return await shield.node.commands.kubectl("create", "-f", "-", given=pipeline_run())


async def test_a_full_etcd_denies_until_it_is_compacted_and_defragmented(shield: Release) -> None:
    done = await create_with_kubectl(shield)
    assert 0 == done.status, done.err
    await fill(shield.node)
    try:
        await shield.wait_closed()
        denied = await create_with_kubectl(shield)
        assert 1 == denied.status
        assert "PipelineRun admission currently not allowed: etcd is at 9" in denied.err

        # Deleting frees nothing by itself: the old revisions are still there.
        await delete_ballast(shield.node)
        assert 1 == (await create_with_kubectl(shield)).status
    finally:
        await delete_ballast(shield.node)
        await free(shield.node)
    await shield.wait_admitting()
    done = await create_with_kubectl(shield)
    assert 0 == done.status, done.err


async def test_status_in_the_evaluators_pod_says_what_is_denied(shield: Release) -> None:
    done = await shield.node.commands.kubectl(
        "exec", f"--namespace={shield.name}", f"deploy/{shield.full_name}-evaluator", "--",
        "shield-evaluator", "status", "--output", "json",
    )  # fmt: skip
    assert 0 == done.status, done.err
    assert "standard" in json.dumps(json.loads(done.out))
