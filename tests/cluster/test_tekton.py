"""Tekton itself, whose webhook and controller are on the node: runs that are denied, or held."""

from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.cluster import tekton
from tests.cluster.filling import full_etcd
from tests.cluster.images import Builder
from tests.cluster.objects import TEAM
from tests.cluster.release import Release, is_held
from tests.rig.kubernetes import installed
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUNS = tekton.RUNS.format(TEAM)
HELD_RUNS = 6
HOLDING = {"hold": {"enabled": True}, "release": {"maxRate": "10/s"}}
# `set` of db-file, and well below where nothing is held any more: 92.5 percent of the quota in use.
HOLDING_FROM = 0.90
# What Pipelines-as-Code does with a run of its own queue when its turn comes.
STARTED = {
    "spec": {"status": None},
    "metadata": {"annotations": {"pipelinesascode.tekton.dev/state": "started"}},
}
KUEUE = {"kueue.x-k8s.io/queue-name": "runs"}
POD_TEMPLATE = {"nodeSelector": {"kubernetes.io/os": "linux"}}
MUTATING = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _tekton(release: Release, builder: Builder) -> None:
    await tekton.install(release.node, builder, Path(installed("tekton")))


@pytest.mark.usefixtures("_tekton")
async def test_tekton_runs_what_was_admitted_and_never_sees_what_was_denied(
    shield: Release,
) -> None:
    api = shield.node.api
    admitted = await api.create(tekton.real_run())
    assert HTTPStatus.CREATED == admitted.status, admitted.message
    name = admitted.body["metadata"]["name"]
    async with full_etcd(shield):
        denied = await api.create(tekton.real_run())
        assert HTTPStatus.TOO_MANY_REQUESTS == denied.status
        # A run that was admitted before is finished, also while etcd is full.
        await tekton.wait_succeeded(shield.node, name)
    names = {run["metadata"]["name"] for run in await api.items(RUNS)}
    assert {name} == names


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def holding(release: Release, _tekton: None) -> Release:
    """The release, which holds runs while etcd is full."""
    await release.upgrade(HOLDING)
    await release.wait_rolled_out()
    await release.wait_rolled_out("controller")
    return release


async def hold_runs(release: Release) -> list[str]:
    """Create runs while the shield is closed, see that each has to wait, and return the names."""
    # The services read their new configuration when they see it, and slots need a first report.
    await release.wait_holding()
    replies = [await release.node.api.create(tekton.real_run()) for _ in range(HELD_RUNS)]
    assert {HTTPStatus.CREATED} == {reply.status for reply in replies}, replies
    assert all(is_held(reply) for reply in replies)
    return [reply.body["metadata"]["name"] for reply in replies]


async def pending(release: Release) -> set[str]:
    """Return the names of the runs that wait."""
    runs = await release.node.api.items(RUNS)
    return {
        run["metadata"]["name"] for run in runs if "PipelineRunPending" == run["spec"].get("status")
    }


async def test_runs_held_while_etcd_is_full_all_run_after_it_has_room(holding: Release) -> None:
    async with full_etcd(holding, to=HOLDING_FROM):
        names = await hold_runs(holding)
        # Tekton has seen them, and starts none.
        assert set(names) == await pending(holding)
    await tekton.wait_succeeded(holding.node, *names)
    assert set() == await pending(holding)


@pytest.mark.shows("H2", "H3", "H4")
async def test_held_runs_can_be_changed_and_cancelled_and_nobody_else_starts_them(
    holding: Release,
) -> None:
    api = holding.node.api
    async with full_etcd(holding, to=HOLDING_FROM):
        cancelled, deleted, labelled, started, *others = await hold_runs(holding)
        changes: dict[str, dict[str, Any]] = {
            cancelled: {"spec": {"status": "Cancelled"}},
            labelled: {"metadata": {"labels": {"team": "orders"}}},
            started: STARTED,
        }
        for name, change in changes.items():
            reply = await api.patch(f"{RUNS}/{name}", change)
            assert HTTPStatus.OK == reply.status, reply.message
        await api.delete(f"{RUNS}/{deleted}")
        assert {labelled, started, *others} == await pending(holding)
        run = tekton.real_run()
        run["metadata"]["labels"] = KUEUE
        assert HTTPStatus.TOO_MANY_REQUESTS == (await api.create(run)).status
    await tekton.wait_succeeded(holding.node, labelled, started, *others)
    runs = {run["metadata"]["name"]: run for run in await api.items(RUNS)}
    assert deleted not in runs
    assert "False" == tekton.outcome(runs[cancelled])


@pytest.mark.shows("H6")
async def test_runs_that_tekton_refuses_to_start_are_stuck_until_it_takes_them(
    holding: Release,
) -> None:
    """Its webhook lets nothing in `spec` change, and writes a changed default there itself."""
    node = holding.node

    async def refused() -> bool:
        reply = await node.api.patch(f"{RUNS}/{names[0]}", {"metadata": {"labels": {"a": "b"}}})
        return HTTPStatus.BAD_REQUEST == reply.status

    async def all_stuck() -> bool:
        return len(names) == await holding.metric("controller", "etcd_shield_stuck_runs")

    try:
        async with full_etcd(holding, to=HOLDING_FROM):
            names = await hold_runs(holding)
            await tekton.set_pod_template(node, POD_TEMPLATE)
            await wait_until(refused, within=90, what="Tekton's webhook to see its new default")
        await wait_until(all_stuck, within=90, what="all runs to be stuck")
        assert set(names) == await pending(holding)
    finally:
        await tekton.set_pod_template(node, None)
    await tekton.wait_succeeded(node, *names)


@pytest.mark.shows("H7")
async def test_an_uninstall_leaves_nothing_held(holding: Release) -> None:
    async with full_etcd(holding, to=HOLDING_FROM):
        names = await hold_runs(holding)
        await holding.uninstall()
        assert set() == await pending(holding)
    await tekton.wait_succeeded(holding.node, *names)
    left = await holding.node.api.items(MUTATING)
    assert [] == [hook["metadata"]["name"] for hook in left if "shield" in hook["metadata"]["name"]]
