"""N3: values that a service refuses are seen before, and after, they reach it."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.cluster.release import CHANGE_SECONDS, Release
from tests.e2e.commands import CommandFailedError
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

REFUSED = 'etcd_shield_config_reloads_total{result="failure"}'


def thresholds(**db_file: float) -> dict[str, Any]:
    return {"evaluator": {"config": {"tiers": {"standard": {"db-file": db_file}}}}}


@pytest_asyncio.fixture(loop_scope="session")
async def restored(shield: Release) -> AsyncIterator[Release]:
    """The release, which gets its values back."""
    values = shield.values
    yield shield
    shield.values = values
    await shield.upgrade()


async def test_n3_helm_refuses_a_set_below_the_charts_own_warn(restored: Release) -> None:
    with pytest.raises(CommandFailedError, match=r"warn \(0.8\) must not be above set \(0.7\)"):
        await restored.upgrade(thresholds(set=0.70, reset=0.60))


async def test_n3_a_refused_file_is_counted_and_the_old_one_stays_in_force(
    restored: Release,
) -> None:
    path = f"/api/v1/namespaces/{restored.name}/configmaps/{restored.full_name}-evaluator"
    text = (await restored.node.api.get(path)).body["data"]["evaluator.yaml"]
    config = yaml.safe_load(text)
    # This would deny everything, if it were not for the contradiction.
    config["tiers"]["standard"]["db-file"] = {"warn": 0.8, "set": 0.0002, "reset": 0.0001}
    before = await restored.metric("evaluator", REFUSED)
    changed = {"data": {"evaluator.yaml": yaml.safe_dump(config)}}
    assert HTTPStatus.OK == (await restored.node.api.patch(path, changed)).status

    async def refused() -> bool:
        return before < await restored.metric("evaluator", REFUSED)

    await wait_until(refused, within=CHANGE_SECONDS, what="the refused file", every=0.5)
    assert HTTPStatus.CREATED == (await restored.try_run()).status


async def test_changed_thresholds_are_taken_up_without_a_restart(restored: Release) -> None:
    pods = await restored.pods("evaluator")
    await restored.upgrade(thresholds(warn=0.0003, set=0.0004, reset=0.0001))
    await restored.wait_closed()
    restarted = {pod["metadata"]["uid"] for pod in await restored.pods("evaluator")}
    assert {pod["metadata"]["uid"] for pod in pods} == restarted
    await restored.upgrade(thresholds(warn=0.80, set=0.90, reset=0.80))
    await restored.wait_admitting()
