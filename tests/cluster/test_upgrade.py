"""From version 0.1.0, chart and images, to this checkout."""

from collections.abc import AsyncIterator
from http import HTTPStatus
from pathlib import Path

import pytest
import pytest_asyncio

from tests.cluster.building import old_images
from tests.cluster.images import Builder
from tests.cluster.load import creations
from tests.cluster.node import Node
from tests.cluster.release import CHART, OLD, Release, judging_only, overlaid, readme_values
from tests.rig.old_version import missing_history, old_sources

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME, JUDGED = "upgraded", "team-upgraded"
# The chart of 0.1.0 says nothing of it, and the node's Redis is not the official image.
REACHABLE_REDIS = {"redis": {"extraConfig": "protected-mode no"}}


@pytest_asyncio.fixture(loop_scope="session")
async def old(node: Node, builder: Builder, tmp_path: Path) -> AsyncIterator[Release]:
    """A release of version 0.1.0 that admits."""
    if reason := missing_history():
        pytest.skip(reason)
    for image in await old_images(builder):
        await node.containerd.load(image)
    chart = await old_sources(tmp_path) / CHART.relative_to(Path(__file__).parents[2])
    values = overlaid(readme_values(chart, OLD), overlaid(judging_only(JUDGED), REACHABLE_REDIS))
    made = Release(node=node, name=NAME, judged=JUDGED, chart=chart, values=values)
    try:
        await made.install()
        yield made
    finally:
        await made.uninstall()


async def test_an_upgrade_from_0_1_0_under_load_fails_no_creation(old: Release) -> None:
    pods = {pod["metadata"]["uid"] for c in ("evaluator", "admitter") for pod in await old.pods(c)}
    async with creations(old) as load:
        old.chart = CHART
        old.values = overlaid(readme_values(), judging_only(JUDGED))
        await old.upgrade()
        await old.wait_rolled_out()
        await load.wait_more()
    now = {pod["metadata"]["uid"] for c in ("evaluator", "admitter") for pod in await old.pods(c)}
    assert pods.isdisjoint(now)
    assert [] == load.others
    assert {HTTPStatus.CREATED: load.total} == dict(load.statuses)
    await old.wait_admitting()
