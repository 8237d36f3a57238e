"""Held runs on a real API server: released in order, dropped when their owner acts."""

import pytest

from shield_common.held import HELD_LABEL, REASON_ANNOTATION
from tests.e2e.controller.cluster import RUNS, SECONDS, Cluster, tier, wait_metric
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_held_runs_start_once_the_tier_opens(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one", "two")
    await cluster.decide(standard=tier(allow=False))
    controller = await cluster.start_controller()
    await wait_metric(controller, 2, "etcd_shield_held_runs", tier="standard")

    await cluster.decide(standard=tier(allow=True))
    await cluster.wait_held()

    run = await cluster.run("team-a", "one")
    assert "status" not in run["spec"]
    assert {"app": "orders"} == run["metadata"]["labels"]
    assert {"note": "stays"} == run["metadata"]["annotations"]


async def test_no_more_runs_start_than_there_is_room(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one", "two", "three")
    await cluster.decide(standard=tier(allow=True, room=1.5))
    controller = await cluster.start_controller()

    await cluster.wait_held("two", "three")
    await wait_metric(controller, 2, "etcd_shield_held_runs", tier="standard")
    released = await controller.metric(
        "etcd_shield_released_total", tier="standard", result="released"
    )
    assert 1 == released


async def test_namespaces_take_turns_and_the_first_tier_goes_first(cluster: Cluster) -> None:
    await cluster.hold("team-a", "a-1", "a-2")
    await cluster.hold("team-b", "b-1")
    await cluster.hold("team-a-releng", "r-1", tier="critical")
    await cluster.start_controller(release={"max_rate": "1/s"})
    await cluster.decide(
        critical=tier(allow=True, room=100.0, priority=0),
        standard=tier(allow=True, room=100.0, priority=1),
    )

    started: list[str] = []

    async def all_started() -> bool:
        waiting = await cluster.waiting()
        started.extend(
            name
            for name in ("r-1", "a-1", "b-1", "a-2")
            if name not in waiting and name not in started
        )
        return not waiting

    await wait_until(all_started, within=SECONDS, what="all runs to start", every=0.02)
    assert ["r-1", "a-1", "b-1", "a-2"] == started


@pytest.mark.shows("H2")
@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"spec": {"status": "Cancelled"}}, id="cancelled"),
        pytest.param({"spec": {"status": None}}, id="started"),
        pytest.param({"spec": {"status": "StoppedRunFinally"}}, id="another word"),
        pytest.param({"spec": None}, id="no spec"),
        pytest.param({"metadata": {"labels": {HELD_LABEL: None}}}, id="label taken off"),
        pytest.param(
            {"metadata": {"labels": {"kueue.x-k8s.io/queue-name": "q"}}}, id="given to Kueue"
        ),
    ],
)
async def test_a_run_that_its_owner_changes_leaves_the_queue(
    cluster: Cluster, change: dict[str, object]
) -> None:
    """At once, while the tier is closed, and nothing of its owner's change is undone."""
    await cluster.hold("team-a", "one", "two")
    await cluster.decide(standard=tier(allow=False))
    controller = await cluster.start_controller()
    await wait_metric(controller, 2, "etcd_shield_held_runs", tier="standard")

    await cluster.api.patch(f"{RUNS.format('team-a')}/one", change)

    await wait_metric(controller, 1, "etcd_shield_held_runs", tier="standard")
    spec = (await cluster.run("team-a", "one")).get("spec") or {}
    expected = change.get("spec", {"status": "PipelineRunPending"}) or {}
    assert isinstance(expected, dict)
    assert expected.get("status") == spec.get("status")


@pytest.mark.shows("H2")
async def test_a_cancelled_run_loses_the_label(cluster: Cluster) -> None:
    """A list of held runs shows no run that is not."""
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=False))
    await cluster.start_controller()

    await cluster.api.patch(f"{RUNS.format('team-a')}/one", {"spec": {"status": "Cancelled"}})

    async def unmarked() -> bool:
        return HELD_LABEL not in (await cluster.run("team-a", "one"))["metadata"]["labels"]

    await wait_until(unmarked, within=SECONDS, what="the label to go")
    run = await cluster.run("team-a", "one")
    assert REASON_ANNOTATION not in run["metadata"]["annotations"]
    assert "Cancelled" == run["spec"]["status"]


@pytest.mark.shows("H2")
@pytest.mark.parametrize("finalizers", [[], ["example.com/later"]], ids=["at once", "finalizers"])
async def test_a_deleted_run_leaves_the_queue(cluster: Cluster, finalizers: list[str]) -> None:
    """One that waits for its finalizers is not started any more."""
    await cluster.hold("team-a", "one", finalizers=finalizers)
    await cluster.decide(standard=tier(allow=False))
    controller = await cluster.start_controller()
    await wait_metric(controller, 1, "etcd_shield_held_runs", tier="standard")

    await cluster.api.delete(f"{RUNS.format('team-a')}/one")

    await wait_metric(controller, 0, "etcd_shield_held_runs", tier="standard")
    await cluster.decide(standard=tier(allow=True))
    await cluster.hold("team-a", "two")
    await wait_metric(
        controller, 1, "etcd_shield_released_total", tier="standard", result="released"
    )


async def test_a_run_without_the_annotation_starts_too(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=False))
    await cluster.start_controller()
    path = f"{RUNS.format('team-a')}/one"
    await cluster.api.patch(path, {"metadata": {"annotations": {REASON_ANNOTATION: None}}})

    await cluster.decide(standard=tier(allow=True))

    await cluster.wait_held()


async def test_a_run_that_is_marked_but_not_pending_is_left_alone(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one")
    running = {"spec": {"status": None}}
    await cluster.api.patch(f"{RUNS.format('team-a')}/one", running)
    await cluster.decide(standard=tier(allow=True))
    controller = await cluster.start_controller()

    await wait_metric(controller, 0, "etcd_shield_held_runs", tier="standard")
    released = await controller.metric(
        "etcd_shield_released_total", tier="standard", result="released"
    )
    assert 0 == released


async def test_a_released_run_has_an_event(cluster: Cluster) -> None:
    await cluster.hold("team-b", "one")
    await cluster.decide(standard=tier(allow=True))
    await cluster.start_controller()
    await cluster.wait_held()
    uid = (await cluster.run("team-b", "one"))["metadata"]["uid"]

    async def has_event() -> bool:
        events = await cluster.api.items("/apis/events.k8s.io/v1/namespaces/team-b/events")
        return "EtcdShieldReleased" in {
            event["reason"] for event in events if event["regarding"]["uid"] == uid
        }

    await wait_until(has_event, within=SECONDS, what="the event")
