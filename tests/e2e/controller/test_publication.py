"""The mirrors of the decision, Kueue's ClusterQueues, and an API server that is away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.controller.cluster import (
    KEYS,
    SECONDS,
    Cluster,
    tier,
    wait_metric,
)
from tests.e2e.controller.conftest import define
from tests.rig.apiserver import KubeApiServer
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

DECISIONS = "/apis/etcd-shield.dev/v1alpha1/namespaces/shield/decisions"
QUEUES = "/apis/kueue.x-k8s.io/v1beta1/clusterqueues"
CONFIG_MAP = "/api/v1/namespaces/shield/configmaps/etcd-shield-decision"


def definition(group: str, version: str, plural: str, kind: str, scope: str) -> Object:
    """Return a definition of any content."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": scope,
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def _definitions(apiserver: KubeApiServer) -> AsyncIterator[None]:
    await define(
        apiserver,
        definition("etcd-shield.dev", "v1alpha1", "decisions", "Decision", "Namespaced"),
        DECISIONS,
    )
    await define(
        apiserver,
        definition("kueue.x-k8s.io", "v1beta1", "clusterqueues", "ClusterQueue", "Cluster"),
        QUEUES,
    )
    yield


async def spec(cluster: Cluster, path: str) -> dict[str, Any]:
    found: dict[str, Any] = (await cluster.api.get(path)).body.get("spec", {})
    return found


@pytest.mark.usefixtures("_definitions")
async def test_the_decision_is_mirrored_and_follows(cluster: Cluster) -> None:
    publish = {
        "kubernetes": True,
        "namespace": "shield",
        "config_map": "etcd-shield-decision",
    }
    await cluster.decide(standard=tier(allow=True))
    await cluster.start_controller(publish=publish, hold={"enabled": False})

    async def shows(allow: bool) -> bool:
        return allow is (await spec(cluster, f"{DECISIONS}/decision")).get("allow")

    await wait_until(lambda: shows(allow=True), within=SECONDS, what="the object")
    await cluster.decide(standard=tier(allow=False), critical=tier(allow=True))
    await wait_until(lambda: shows(allow=False), within=SECONDS, what="the object to follow")

    shown = await spec(cluster, f"{DECISIONS}/decision")
    assert {"standard": False, "critical": True} == {
        name: state["allow"] for name, state in shown["tiers"].items()
    }
    assert 300 == shown["ttlSeconds"]
    age = datetime.now(UTC) - datetime.fromisoformat(shown["evaluatedAt"])
    assert timedelta(seconds=SECONDS) > age

    async def config_map_follows() -> bool:  # it is written after the object
        data = (await cluster.api.get(CONFIG_MAP)).body["data"]
        return ("0", "deny", "allow") == tuple(
            data.get(name) for name in ("allow", "standard", "critical")
        )

    await wait_until(config_map_follows, within=SECONDS, what="the ConfigMap to follow")


@pytest.mark.usefixtures("_definitions")
async def test_a_mirror_that_was_deleted_is_written_again(cluster: Cluster) -> None:
    await cluster.decide(standard=tier(allow=True))
    publish = {"kubernetes": True, "namespace": "shield", "decision": "deleted"}
    await cluster.start_controller(publish=publish)
    path = f"{DECISIONS}/deleted"

    async def exists() -> bool:
        return 200 == (await cluster.api.get(path)).status

    await wait_until(exists, within=SECONDS, what="the object")
    await cluster.api.delete(path)
    await cluster.decide(standard=tier(allow=False))

    await wait_until(exists, within=SECONDS, what="the object again")


async def test_a_missing_definition_is_counted_and_nothing_else_stops(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=True))
    publish = {"config_map": "etcd-shield-decision", "namespace": "no-such-namespace"}

    controller = await cluster.start_controller(publish=publish)

    await cluster.wait_held()

    async def is_counted() -> bool:
        name, labels = "etcd_shield_decision_published_total", {"target": "config_map"}
        return (await controller.metric(name, result="not_found", **labels) or 0) >= 1

    await wait_until(is_counted, within=SECONDS, what="the missing namespace to be counted")


@pytest.mark.usefixtures("_definitions")
async def test_cluster_queues_stop_while_the_shield_is_closed(cluster: Cluster) -> None:
    queue = {
        "apiVersion": "kueue.x-k8s.io/v1beta1",
        "kind": "ClusterQueue",
        "metadata": {"name": "builds"},
        "spec": {"stopPolicy": "None"},
    }
    await cluster.api.apply(queue)
    await cluster.decide(standard=tier(allow=False))
    await cluster.start_controller(kueue={"cluster_queues": ["builds"]}, hold={"enabled": False})

    async def has(policy: str) -> bool:
        return policy == str((await spec(cluster, f"{QUEUES}/builds"))["stopPolicy"])

    await wait_until(lambda: has("Hold"), within=SECONDS, what="the queue to stop")
    await cluster.decide(standard=tier(allow=True))
    await wait_until(lambda: has("None"), within=SECONDS, what="the queue to start")


async def test_the_report_of_held_runs_reaches_redis(cluster: Cluster) -> None:
    await cluster.hold("team-a", "one", "two")
    await cluster.redis.call("HSET", KEYS.admitted, "held:standard", 7)
    await cluster.decide(standard=tier(allow=False))
    await cluster.start_controller()

    async def reported() -> bool:
        text = str(await cluster.redis.call("GET", KEYS.held))
        return '"held":2' in text and '"counted":7' in text

    await wait_until(reported, within=SECONDS, what="the report")


@pytest.mark.shows("H8")
async def test_a_controller_is_in_step_again_after_its_api_server_was_frozen(
    cluster: Cluster,
) -> None:
    await cluster.hold("team-a", "one")
    await cluster.decide(standard=tier(allow=False))
    controller = await cluster.start_controller()
    await wait_metric(controller, 1, "etcd_shield_held_runs", tier="standard")
    cluster.apiserver.child.freeze()
    try:
        await cluster.decide(standard=tier(allow=True))
        await wait_metric(controller, 1, "etcd_shield_decision_in_force")
    finally:
        cluster.apiserver.child.thaw()

    await cluster.wait_held()
