"""One node and one release for all scenarios: neither starts fast enough for each."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.cluster import building, traces
from tests.cluster.ability import hindrance
from tests.cluster.images import Builder
from tests.cluster.machine import Machine
from tests.cluster.node import Node, Programs, start, wait_node_ready
from tests.cluster.objects import RELENG, TEAM, namespace
from tests.cluster.release import Release
from tests.e2e.objects import pipeline_run_definition

# The files in an order that spares time. What looks at the whole machine comes before there is a
# node. Then come those that share the first release, and last those that install another.
_ORDER = (
    "traces", "install", "quickstart", "filling", "losses", "settings", "rollouts", "drain",
    "evaluators", "policies", "room", "upgrade", "leaving", "kueue", "tekton",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; one that is not listed comes last."""
    places = {f"test_{name}.py": place for place, name in enumerate(_ORDER)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


@pytest.fixture(scope="session")
def programs() -> Programs:
    if reason := hindrance():
        pytest.exit(f"tests/cluster: {reason}", returncode=1)
    return building.programs()


@pytest.fixture(scope="session")
def builder(programs: Programs) -> Builder:  # noqa: ARG001 - buildah is installed with them
    return building.builder()


@pytest.fixture(scope="session")
def unchanged() -> Iterator[None]:
    """The machine is as it was before the node, when everything is over."""
    before = traces.look()
    yield
    assert before == traces.look()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node(
    programs: Programs,
    builder: Builder,
    unchanged: None,  # noqa: ARG001 - looks before and after
) -> AsyncIterator[Node]:
    """A node that is Ready, with Tekton's resource and a team's namespaces."""
    async with Machine() as machine:
        images = asyncio.create_task(building.images(builder, programs))
        started = await start(machine, programs, images)
        await started.api.apply(pipeline_run_definition(), namespace(TEAM), namespace(RELENG))
        yield started


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def release(node: Node) -> Release:
    """The chart, installed as its README says."""
    made = Release(node=node)
    await made.install()
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def shield(release: Release) -> Release:
    """The release as every scenario finds it: all pods run, and runs are admitted."""
    await wait_node_ready(release.node.api)
    await release.wait_rolled_out()
    await release.wait_admitting()
    return release
