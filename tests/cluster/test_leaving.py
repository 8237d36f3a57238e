"""The shield is taken away: what creations see, and what is left."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from tests.cluster.load import creations
from tests.cluster.node import Node
from tests.cluster.release import Release, judging_only, overlaid, readme_values

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME, JUDGED = "leaving", "team-leaving"
GONE_SECONDS = 120.0


@pytest_asyncio.fixture(loop_scope="session")
async def leaving(node: Node) -> AsyncIterator[Release]:
    """A release of its own that judges one namespace."""
    values = overlaid(readme_values(), judging_only(JUDGED))
    made = Release(node=node, name=NAME, judged=JUDGED, values=values)
    try:
        await made.install()
        yield made
    finally:
        await node.api.delete(made.webhook_path)
        await node.api.delete(f"/api/v1/namespaces/{NAME}")
        await node.api.wait_gone(f"/api/v1/namespaces/{NAME}", within=GONE_SECONDS)


@pytest.mark.shows("trial T26")
async def test_an_uninstall_fails_no_creation_and_leaves_no_webhook(leaving: Release) -> None:
    async with creations(leaving) as load:
        await leaving.uninstall()
    assert [] == load.others
    assert {HTTPStatus.CREATED: load.total} == dict(load.statuses)
    assert HTTPStatus.NOT_FOUND == (await leaving.node.api.get(leaving.webhook_path)).status


async def test_n1_a_deleted_namespace_takes_the_webhook_with_it(leaving: Release) -> None:
    await leaving.node.api.delete(f"/api/v1/namespaces/{NAME}")
    await leaving.node.api.wait_gone(f"/api/v1/namespaces/{NAME}", within=GONE_SECONDS)
    await leaving.node.api.wait_gone(leaving.webhook_path, within=GONE_SECONDS)
    await leaving.wait_admitting()
