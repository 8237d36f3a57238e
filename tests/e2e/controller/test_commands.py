"""The operator's commands against a real API server and a real Redis."""

import json
from typing import Any

import pytest
import yaml

from tests.e2e.controller.cluster import RUNS, Cluster, held, tier, wait_metric
from tests.rig.commands import Ended, run
from tests.rig.services import service_script

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def command(cluster: Cluster, *words: str, **changes: Any) -> Ended:
    """Run a command of the controller as its service account would."""
    config = cluster.rig.directory / "controller.yaml"
    document = {**cluster.config(**changes), "kubernetes": {"kubeconfig": str(cluster.kubeconfig)}}
    config.write_text(yaml.safe_dump(document))
    files = [] if "release" == words[0] else ["--config", str(config)]
    access = [] if "check" == words[0] else ["--kubeconfig", str(cluster.kubeconfig)]
    return await run(service_script("shield-controller"), *words, *files, *access)


async def test_queue_shows_the_runs_in_order(cluster: Cluster) -> None:
    await cluster.hold("team-a", "a-1", "a-2")
    await cluster.hold("team-b", "b-1")
    await cluster.hold("team-a-releng", "r-1", tier="critical")
    await cluster.decide(
        standard=tier(allow=False, priority=1), critical=tier(allow=False, priority=0)
    )

    shown = await command(cluster, "queue", "--output", "json")

    assert 0 == shown.status, shown.said
    rows = json.loads(shown.out)
    assert ["r-1", "a-1", "b-1", "a-2"] == [row["name"] for row in rows]
    assert [1, 2, 3, 4] == [row["position"] for row in rows]
    assert {"critical", "standard"} == {row["tier"] for row in rows}


async def test_queue_is_a_table_for_people(cluster: Cluster) -> None:
    await cluster.hold("team-a", "a-1")

    shown = await command(cluster, "queue", "--output", "table")

    assert 0 == shown.status, shown.said
    assert "a-1" in shown.out
    assert "1 run is held (Redis holds no decision for cluster e2e)." in shown.out


async def test_release_starts_one_run_and_no_other(cluster: Cluster) -> None:
    await cluster.hold("team-a", "a-1", "a-2")

    done = await command(cluster, "release", "team-a/a-1")

    assert (0, "1 run started.\n") == (done.status, done.out), done.said
    assert ["a-2"] == await cluster.waiting()


async def test_release_all_starts_everything_without_a_decision(cluster: Cluster) -> None:
    """More runs than one page of a list."""
    names = [f"run-{number}" for number in range(300)]
    await cluster.hold("team-a", *names)

    done = await command(cluster, "release", "--all")

    assert (0, "300 runs started.\n") == (done.status, done.out), done.said
    assert [] == await cluster.waiting()


async def test_release_says_that_a_run_is_not_held(cluster: Cluster) -> None:
    plain = held("plain")
    del plain["metadata"]["labels"]
    await cluster.api.create(plain, namespace="team-a")

    results = [
        await command(cluster, "release", f"team-a/{name}") for name in ("plain", "no-such-run")
    ]

    assert [1, 1] == [result.status for result in results]
    assert "team-a/plain is not held" in results[0].err
    assert "there is no run team-a/no-such-run" in results[1].err
    run_status = (await cluster.api.get(f"{RUNS.format('team-a')}/plain")).body["spec"]["status"]
    assert "PipelineRunPending" == run_status


@pytest.mark.parametrize(
    "words",
    [("release",), ("release", "--all", "a/b"), ("release", "a"), ("release", "a/b/c")],
    ids=" ".join,
)
async def test_release_refuses_other_words(cluster: Cluster, words: tuple[str, ...]) -> None:
    assert 2 == (await command(cluster, *words)).status


async def test_check_names_the_missing_decision_and_resource(cluster: Cluster) -> None:
    publish = {"kubernetes": True, "namespace": "team-a", "decision": "absent"}
    result = await command(cluster, "check", kueue={"cluster_queues": ["q"]}, publish=publish)

    assert 1 == result.status
    assert "FAILED  decision: Redis holds no decision" in result.out
    assert "ok      patch pipelineruns.tekton.dev: allowed" in result.out
    assert "ok      patch clusterqueues.kueue.x-k8s.io/q: allowed" in result.out


async def test_check_is_content_with_all_it_needs(cluster: Cluster) -> None:
    await cluster.decide(standard=tier(allow=True))

    result = await command(cluster, "check")

    assert 0 == result.status, result.said


async def test_a_second_controller_stands_by_until_the_first_ends(cluster: Cluster) -> None:
    election = {"enabled": True, "namespace": "shield", "name": f"lease-{cluster.redis.port}"}
    first = await cluster.start_controller("first", leader_election=election)
    second = await cluster.start_controller("second", leader_election=election)
    await wait_metric(first, 1, "etcd_shield_leader")
    await wait_metric(second, 0, "etcd_shield_leader")

    await first.stop()

    await wait_metric(second, 1, "etcd_shield_leader")
