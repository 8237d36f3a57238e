"""etcd is filled through the API server, and the shield closes and opens."""

from http import HTTPStatus

import pytest

from tests.e2e.installation import USUAL, Installation
from tests.e2e.objects import TEAM, ballast, pipeline_run
from tests.rig.filling import fill_through_api
from tests.rig.kubernetes_api import Reply

pytestmark = pytest.mark.asyncio(loop_scope="session")

PIECE = 512 * 1024
BALLAST = f"/api/v1/namespaces/{TEAM}/configmaps?labelSelector=ballast%3Dyes"
# The shield closes at 90%, and does not judge the ConfigMaps that fill etcd.
ENOUGH = 0.92


async def test_a_full_etcd_denies_until_it_is_compacted_and_defragmented(
    shield: Installation,
) -> None:
    await shield.decide(USUAL, deny=False)
    await fill_through_api(
        shield.etcd, ENOUGH, lambda: shield.api.create(ballast(PIECE), namespace=TEAM)
    )
    await shield.wait_decided(deny=True)
    assert HTTPStatus.TOO_MANY_REQUESTS == (await created(shield)).status

    # Deleting alone frees nothing, because the old revisions remain.
    assert HTTPStatus.OK == (await shield.api.delete(BALLAST)).status
    assert HTTPStatus.TOO_MANY_REQUESTS == (await created(shield)).status

    await shield.etcd.client.compact()
    await shield.etcd.client.defragment()
    await shield.wait_decided(deny=False)
    assert HTTPStatus.CREATED == (await created(shield)).status


async def created(shield: Installation) -> Reply:
    return await shield.api.create(pipeline_run(), namespace=TEAM)
