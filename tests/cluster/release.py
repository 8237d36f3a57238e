"""The chart as a user installs it: helm, values, and then pods."""

import asyncio
import copy
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import NodePrometheus
from tests.cluster.images import REGISTRY, ROOT
from tests.cluster.node import Node, wait_rolled_out
from tests.cluster.objects import TEAM, namespace, pipeline_run
from tests.e2e.commands import CommandFailedError
from tests.rig.errors import RigError
from tests.rig.kubernetes_api import Object, Reply
from tests.rig.waiting import wait_until

CHART = ROOT / "deploy" / "helm" / "etcd-shield"
NAME = "etcd-shield"  # the README's name of release and namespace
PRESENT, OLD = "checkout", "0.1.0"  # tags of images
COMPONENTS = ("evaluator", "admitter", "redis")
# What the kubelet and the services take for a change of a ConfigMap, on a busy machine.
CHANGE_SECONDS = 90.0
ROLLOUT_SECONDS = 180.0
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"

Values = dict[str, Any]


def readme_values(chart: Path = CHART, tag: str = PRESENT) -> Values:
    """Return the values file that a chart's README shows, for this node.

    Only what depends on the place is changed: where Prometheus is, how many members etcd has, which
    images, that it denies at once, and no room: the node's etcd is small, and most of the tests are
    about the latch.
    """
    block = re.search(r"(?ms)^ *```yaml\n(.*?)^ *```$", (chart / "README.md").read_text())
    assert block is not None
    values: Values = yaml.safe_load(textwrap.dedent(block.group(1)))
    evaluator, admitter = values["evaluator"], values["admitter"]
    evaluator["config"] |= {"interval": "1s", "prometheus": {"urls": [NodePrometheus.inside]}}
    for signal in evaluator["config"]["signals"]:
        signal["members"] = 1
    admitter["config"].pop("mode", None)
    thresholds = yaml.safe_load((chart / "values.yaml").read_text())["evaluator"]["config"]["tiers"]
    evaluator["config"]["tiers"] = {
        tier: {
            signal: {"run_cost": None} for signal, bounds in signals.items() if "run_cost" in bounds
        }
        for tier, signals in thresholds.items()
    }
    for service in (evaluator, admitter):
        service["image"] |= {"tag": tag, "pullPolicy": "Never"}
    if (chart / "templates" / "controller-deployment.yaml").exists():
        repository = f"{REGISTRY}/etcd-shield-controller"
        image = {"repository": repository, "tag": tag, "pullPolicy": "Never"}
        values["controller"] = {"image": image, "config": {"interval": "1s", "refresh": "1s"}}
    values["redis"] = {"image": {"pullPolicy": "Never"}}
    return values


def judging_only(place: str) -> Values:
    """Return values with which a release judges one namespace and disturbs no other release."""
    labels = {"kubernetes.io/metadata.name": place}
    return {"webhook": {"namespaceSelector": {"matchLabels": labels}}}


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> Values:
    """Merge values as helm does: mappings by key, everything else replaced."""
    result = copy.deepcopy(dict(below))
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            result[key] = overlaid(old, value)
        else:
            result[key] = value
    return result


@dataclass(kw_only=True)
class Release:
    """An installed chart.

    Attributes:
        node: Where it is.
        name: Of the release and of its namespace.
        values: With which it was installed or last upgraded.
        judged: A namespace whose PipelineRuns it judges.
    """

    node: Node
    name: str = NAME
    values: Values = field(default_factory=readme_values)
    judged: str = TEAM
    chart: Path = CHART

    async def install(self) -> None:
        """Run `helm install` in a restricted namespace, and wait until it judges.

        Raises:
            CommandFailedError: helm refused.
        """
        await self.node.api.apply(namespace(self.name, restricted=True), namespace(self.judged))
        await self.helm("install")
        await self.wait_rolled_out()
        await self.wait_admitting()

    async def upgrade(self, changes: Values | None = None) -> None:
        """Run `helm upgrade` with some values changed, and keep the change.

        Raises:
            CommandFailedError: helm refused.
        """
        changed = overlaid(self.values, changes or {})
        await self.helm("upgrade", values=changed)
        self.values = changed

    async def helm(self, verb: str, *, values: Values | None = None) -> None:
        """Run `helm install` or `helm upgrade`."""
        options = [f"--namespace={self.name}", "--create-namespace"]
        if verb == "upgrade":
            options = options[:1]
        await self.node.commands.helm(
            verb, self.name, str(self.chart), *options, given=values or self.values
        )

    async def wait_rolled_out(self, *components: str) -> None:
        """Wait until the pods are as helm described them, all by default."""
        for component in components or COMPONENTS:
            path = self.workload(component)
            await wait_rolled_out(self.node.api, path, within=ROLLOUT_SECONDS)

    async def wait_admitting(self) -> None:
        """Wait until a PipelineRun would be admitted."""
        await self._wait_answer(
            "an admission", lambda reply: HTTPStatus.CREATED == reply.status and not is_held(reply)
        )

    async def wait_closed(self) -> None:
        """Wait until a PipelineRun would be denied, or held."""
        await self._wait_answer(
            "a denial",
            lambda reply: HTTPStatus.TOO_MANY_REQUESTS == reply.status or is_held(reply),
        )

    async def wait_holding(self) -> None:
        """Wait until a PipelineRun would be held."""
        await self._wait_answer("a run that is held", is_held)

    async def try_run(self) -> Reply:
        """Create a PipelineRun as a dry run, which the webhook judges like any other."""
        return await self.node.api.create(pipeline_run(self.judged), dry_run=True)

    async def uninstall(self) -> None:
        """Run `helm uninstall` and wait until the pods are gone.

        Raises:
            CommandFailedError: helm failed.
        """
        options = (f"--namespace={self.name}", "--wait")
        done = await self.node.commands.helm_uninstall(self.name, *options)
        if done.status:
            raise CommandFailedError(done.err)

    @property
    def webhook_path(self) -> str:
        """The path of the webhook's configuration."""
        return f"{WEBHOOKS}/{self.name}-{self.full_name}"

    def workload(self, component: str) -> str:
        """Return the path of a component's Deployment or StatefulSet."""
        kind = "statefulsets" if component == "redis" else "deployments"
        return f"/apis/apps/v1/namespaces/{self.name}/{kind}/{self.full_name}-{component}"

    @property
    def full_name(self) -> str:
        """How the chart's objects are called: the chart's name is part of it."""
        return self.name if NAME in self.name else f"{self.name}-{NAME}"

    async def pods(self, component: str) -> list[Object]:
        """Return a component's pods, without those that are on their way out."""
        path = f"{self.pods_path}?labelSelector={self.selector(component)}"
        found = await self.node.api.items(path)
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    @property
    def pods_path(self) -> str:
        """The path of the namespace's pods."""
        return f"/api/v1/namespaces/{self.name}/pods"

    def selector(self, component: str) -> str:
        """Return what selects a component's pods, for a URL."""
        return (
            f"app.kubernetes.io%2Finstance%3D{self.name}"
            f"%2Capp.kubernetes.io%2Fcomponent%3D{component}"
        )

    async def pod(self, component: str) -> str:
        """Return the name of one of a component's pods.

        Raises:
            RigError: It has none.
        """
        found = await self.pods(component)
        if not found:
            raise RigError(f"{component} has no pod")
        return str(found[0]["metadata"]["name"])

    async def replace_pods(self, *components: str) -> None:
        """Delete one pod of each of the components at the same time, and wait for others."""
        paths = [f"{self.pods_path}/{await self.pod(component)}" for component in components]
        uids = [(await self.node.api.get(path)).body["metadata"]["uid"] for path in paths]
        await asyncio.gather(*(self.node.api.delete(path) for path in paths))

        async def replaced() -> bool:
            # A StatefulSet's new pod has the old one's name.
            pods = await asyncio.gather(*(self.node.api.get(path) for path in paths))
            return all(
                uid != pod.body["metadata"].get("uid") for uid, pod in zip(uids, pods, strict=True)
            )

        await wait_until(replaced, within=ROLLOUT_SECONDS, what="pods to be replaced", every=0.3)
        await self.wait_rolled_out(*components)

    async def scale(self, component: str, replicas: int) -> None:
        """Change how many pods a component has, and wait for it."""
        reply = await self.node.api.patch(
            self.workload(component), {"spec": {"replicas": replicas}}
        )
        assert HTTPStatus.OK == reply.status, reply.message

        async def so_many() -> bool:
            path = f"{self.pods_path}?labelSelector={self.selector(component)}"
            return replicas == len(await self.node.api.items(path))

        # Also those that are still ending.
        await wait_until(so_many, within=ROLLOUT_SECONDS, what=f"{replicas} pods", every=0.3)
        await self.wait_rolled_out(component)

    async def kill(self, *components: str) -> None:
        """End one container of each with SIGKILL, and wait until those after them are ready."""
        found = [(await self.pods(component))[0] for component in components]
        before = [pod["status"]["containerStatuses"][0] for pod in found]
        kill = self.node.containerd.kill_container
        await asyncio.gather(*(kill(container["containerID"]) for container in before))

        async def restarted() -> bool:
            # The workloads' own status comes later: for a moment it calls the killed ones ready.
            paths = [f"{self.pods_path}/{pod['metadata']['name']}" for pod in found]
            pods = [(await self.node.api.get(path)).body for path in paths]
            after = [pod["status"]["containerStatuses"][0] for pod in pods]
            return all(
                new["ready"] and new["restartCount"] > old["restartCount"]
                for new, old in zip(after, before, strict=True)
            )

        await wait_until(restarted, within=ROLLOUT_SECONDS, what="restarts", every=0.3)
        await self.wait_rolled_out(*components)

    async def metric(self, component: str, series: str, *, pod: str | None = None) -> float:
        """Return a metric of one of a component's pods, through the API server."""
        pod = pod or await self.pod(component)
        text = await self.node.api.text(f"{self.pods_path}/{pod}:9100/proxy/metrics")
        for line in text.splitlines():
            if line.startswith(f"{series} "):
                return float(line.split()[-1])
        raise RigError(f"{pod} has no {series}")

    async def _wait_answer(self, what: str, wanted: Callable[[Reply], bool]) -> None:
        replies: list[Reply] = []

        async def as_wanted() -> bool:
            replies.append(await self.try_run())
            return wanted(replies[-1])

        try:
            await wait_until(as_wanted, within=CHANGE_SECONDS, what=what, every=0.3)
        except TimeoutError as error:
            last = replies[-1] if replies else None
            raise RigError(f"{error}; the last answer was {last}") from error


def is_held(reply: Reply) -> bool:
    """Whether a PipelineRun was created, and has to wait."""
    return bool("PipelineRunPending" == reply.body.get("spec", {}).get("status"))
