"""K1: pods and their processes are lost, one by one and all at once, under constant creations."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from tests.cluster.filling import full_etcd
from tests.cluster.load import STREAMS, Load, creations
from tests.cluster.release import COMPONENTS, Release

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What ends with its own grace loses nothing; see the kill for what does not.
LOSSES = [*((component,) for component in COMPONENTS), COMPONENTS]
every_loss = pytest.mark.parametrize("lost", LOSSES, ids=["evaluator", "admitter", "redis", "all"])


def assert_only(status: HTTPStatus, load: Load) -> None:
    assert [] == load.others
    assert {status: load.total} == dict(load.statuses)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def denying(release: Release) -> AsyncIterator[None]:
    await release.wait_rolled_out()
    async with full_etcd(release):
        yield


@every_loss
@pytest.mark.usefixtures("denying")
async def test_k1_pods_deleted_while_etcd_is_full_let_nothing_in(
    release: Release, lost: tuple[str, ...]
) -> None:
    await release.wait_rolled_out()
    async with creations(release) as load:
        await release.replace_pods(*lost)
    assert_only(HTTPStatus.TOO_MANY_REQUESTS, load)


@pytest.mark.usefixtures("denying")
@pytest.mark.shows("N5")
async def test_k1_processes_killed_while_etcd_is_full_let_nothing_in(release: Release) -> None:
    await release.wait_rolled_out()
    async with creations(release) as load:
        await release.kill(*COMPONENTS)
    assert 0 == load.statuses[HTTPStatus.CREATED]
    # What the killed admitter had in hand is lost: nobody can answer for it.
    assert len(load.others) <= STREAMS, load.others
