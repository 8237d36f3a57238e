"""Kueue in a pod, one of its queues, and Jobs that wait in it."""

from http import HTTPStatus
from pathlib import Path

import yaml

from tests.cluster import tekton
from tests.cluster.images import REGISTRY, Builder
from tests.cluster.node import DEPLOYMENTS, Node, wait_rolled_out
from tests.cluster.objects import TEAM
from tests.rig.errors import RigError
from tests.rig.kubernetes_api import Object
from tests.rig.waiting import wait_until

QUEUE = "builds"
QUEUE_PATH = f"/apis/kueue.x-k8s.io/v1beta2/clusterqueues/{QUEUE}"
JOBS = f"/apis/batch/v1/namespaces/{TEAM}/jobs"
_IMAGE = f"{REGISTRY}/kueue:local"
_MANAGER = f"{DEPLOYMENTS.format('kueue-system')}/kueue-controller-manager"
# Of the webhooks only those of Jobs and of Kueue's own resources: the others would judge every pod.
_JUDGED = {"batch", "kueue.x-k8s.io"}
# Of Kueue's own API server for dashboards nothing is needed.
_LEFT_OUT = ("APIService", "FlowSchema", "PriorityLevelConfiguration")
_START_SECONDS = 240.0
_JOB_SECONDS = 120.0


async def install(node: Node, builder: Builder, directory: Path, tekton_programs: Path) -> None:
    """Install Kueue, and a queue in front of the team's Jobs.

    Args:
        node: Where to.
        builder: Builds the images.
        directory: Of `tools/install-kubernetes kueue`.
        tekton_programs: The directory with the program that the Jobs run.

    Raises:
        RigError: The API server refused a part, or it does not start.
    """
    programs = {_IMAGE: directory / "kueue", tekton.image("true"): tekton_programs / "true"}
    for built in await builder.controllers(programs):
        await node.containerd.load(built)
    rendered = await node.commands.kubectl("kustomize", str(directory / "config" / "default"))
    if rendered.status:
        raise RigError(f"Kueue could not be rendered: {rendered.err}")
    things = [_for_node(thing) for thing in yaml.safe_load_all(rendered.out)]
    kept = [thing for thing in things if thing["kind"] not in _LEFT_OUT]
    done = await node.commands.kubectl(
        "apply", "--server-side", "-f", "-",
        given={"apiVersion": "v1", "kind": "List", "items": kept},
    )  # fmt: skip
    if done.status:
        raise RigError(f"Kueue could not be installed: {done.err}")
    await wait_rolled_out(node.api, _MANAGER, within=_START_SECONDS)

    async def answers() -> bool:
        return HTTPStatus.CREATED == (await node.api.create(job("probe"), dry_run=True)).status

    await wait_until(answers, within=_START_SECONDS, what="Kueue's webhook", every=0.5)
    await node.api.apply(*_queue())


def job(name: str) -> Object:
    """Return a Job that Kueue manages, and whose only container succeeds at once."""
    container = {
        "name": "true",
        "image": tekton.image("true"),
        "imagePullPolicy": "Never",
        "command": ["/ko-app/true"],
        "resources": {"requests": {"cpu": "1m"}},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": TEAM,
            "labels": {"kueue.x-k8s.io/queue-name": QUEUE},
        },
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
    }


async def wait_policy(node: Node, policy: str) -> None:
    """Wait until the queue's `stopPolicy` is as given."""

    async def turned() -> bool:
        spec = (await node.api.get(QUEUE_PATH)).body.get("spec", {})
        return bool(policy == spec.get("stopPolicy", "None"))

    await wait_until(turned, within=_JOB_SECONDS, what=f"stopPolicy {policy}", every=0.3)


async def wait_complete(node: Node, *names: str) -> None:
    """Wait until Jobs have succeeded."""

    async def complete() -> bool:
        jobs = [(await node.api.get(f"{JOBS}/{name}")).body for name in names]
        return {1} == {job.get("status", {}).get("succeeded", 0) for job in jobs}

    await wait_until(complete, within=_JOB_SECONDS, what="jobs to succeed", every=0.3)


def _queue() -> list[Object]:
    group = "kueue.x-k8s.io/v1beta2"
    quota = {"name": "cpu", "nominalQuota": "1"}
    flavors = [{"name": "any", "resources": [quota]}]
    return [
        {"apiVersion": group, "kind": "ResourceFlavor", "metadata": {"name": "any"}, "spec": {}},
        {
            "apiVersion": group,
            "kind": "ClusterQueue",
            "metadata": {"name": QUEUE},
            "spec": {
                "namespaceSelector": {},
                "resourceGroups": [{"coveredResources": ["cpu"], "flavors": flavors}],
            },
        },
        {
            "apiVersion": group,
            "kind": "LocalQueue",
            "metadata": {"name": QUEUE, "namespace": TEAM},
            "spec": {"clusterQueue": QUEUE},
        },
    ]


def _for_node(thing: Object) -> Object:
    """Return a part of Kueue as this node needs it."""
    if thing["kind"].endswith("WebhookConfiguration"):
        thing["webhooks"] = [hook for hook in thing["webhooks"] if _judged(hook)]
    elif "Deployment" == thing["kind"]:
        container = thing["spec"]["template"]["spec"]["containers"][0]
        container |= {"image": _IMAGE, "imagePullPolicy": "Never", "command": ["/ko-app/kueue"]}
    elif "ConfigMap" == thing["kind"]:
        name, text = next(iter(thing["data"].items()))
        config = yaml.safe_load(text)
        config["integrations"]["frameworks"] = ["batch/job"]
        thing["data"][name] = yaml.safe_dump(config)
    return thing


def _judged(hook: Object) -> bool:
    return all(set(rule["apiGroups"]) <= _JUDGED for rule in hook["rules"])
