"""K1: pods and their processes are lost, one by one and all at once, under constant creations."""

from collections.abc import AsyncIterator
from http import HTTPStatus

import pytest
import pytest_asyncio

from tests.cluster.filling import fill, full_etcd, shrink
from tests.cluster.load import STREAMS, Load, creations
from tests.cluster.node import QUOTA
from tests.cluster.release import CHANGE_SECONDS, COMPONENTS, Release
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

# What ends with its own grace loses nothing; see the kill for what does not.
LOSSES = [*((component,) for component in COMPONENTS), COMPONENTS]
# `reset` of db-file and `set` of db-in-use.
RESET, SET = 0.80, 0.85
BETWEEN = 0.84  # a deleted piece is 0.008: it ends above `RESET`
ALLOW = 'etcd_shield_tier_allow{tier="standard"}'
WITHHELD = 'etcd_shield_evaluations_total{result="withheld"}'
every_loss = pytest.mark.parametrize("lost", LOSSES, ids=["evaluator", "admitter", "redis", "all"])


def assert_only(status: HTTPStatus, load: Load) -> None:
    assert [] == load.others
    assert {status: load.total} == dict(load.statuses)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def denying(release: Release) -> AsyncIterator[None]:
    await release.wait_rolled_out()
    # A file that was filled once has a fifth of free pages; filled again, it is full of live data.
    await fill(release.node)
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


@pytest.mark.usefixtures("denying")
async def test_n6_evaluator_and_redis_lost_together_between_the_thresholds_let_nothing_in(
    release: Release,
) -> None:
    await release.wait_rolled_out()

    # One that was killed before, and had no decision yet, would go on without one.
    async def every_admitter_denies() -> bool:
        names = [pod["metadata"]["name"] for pod in await release.pods("admitter")]
        return {0.0} == {await release.metric("admitter", ALLOW, pod=name) for name in names}

    await wait_until(every_admitter_denies, within=CHANGE_SECONDS, what="denials", every=0.3)
    # Both signals are between their thresholds, which proves nothing: only memory says what holds.
    await shrink(release.node, below=BETWEEN)
    assert RESET < (await release.node.etcd.client.status()).db_size / QUOTA < SET
    async with creations(release) as load:
        # One after the other: else the evaluator may outlive the old Redis and remind the new one.
        await release.scale("evaluator", 0)
        await release.replace_pods("redis")
        await release.scale("evaluator", 1)

        async def withheld() -> bool:
            return 0 < await release.metric("evaluator", WITHHELD)

        await wait_until(withheld, within=CHANGE_SECONDS, what="a cycle without memory", every=0.3)
        await load.wait_more()
    assert_only(HTTPStatus.TOO_MANY_REQUESTS, load)
