"""A Kubernetes cluster of one node: control plane, node, DNS, and Prometheus that watches etcd."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tests.cluster.control_plane import (
    PROMETHEUS_PORT,
    ApiServer,
    Controller,
    NodePrometheus,
    controller_manager,
)
from tests.cluster.credentials import ADMINISTRATORS, API_PORT, Credentials
from tests.cluster.first_process import NODE_ADDRESS, NODE_NAME
from tests.cluster.images import Image
from tests.cluster.machine import Machine
from tests.cluster.node_servers import Containerd, Kubelet, KubeProxy
from tests.cluster.objects import SYSTEM, cluster_dns, proxier_binding
from tests.e2e.commands import Commands
from tests.rig.etcd import MEBIBYTE, EtcdServer
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.ports import LOOPBACK
from tests.rig.prometheus import PrometheusOptions
from tests.rig.waiting import wait_until

QUOTA = 64 * MEBIBYTE
_START_SECONDS = 180.0
NODE_PATH = f"/api/v1/nodes/{NODE_NAME}"


@dataclass(frozen=True, kw_only=True)
class Programs:
    """Where the programs are that tools/install-kubernetes builds.

    Attributes:
        node: The directory of kubelet and the like.
        assets: The directory of kube-apiserver and kubectl.
        helm: helm's path.
    """

    node: Path
    assets: Path
    helm: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node that is Ready, and how to talk to it.

    Attributes:
        machine: What it runs on.
        etcd: Where its API server stores.
        prometheus: It scrapes etcd alone.
        api: Its API server.
        commands: kubectl and helm against it.
        kubeconfig: The administrator's, for use outside the machine.
        inner_kubeconfig: An administrator's, for programs on the node.
    """

    machine: Machine
    etcd: EtcdServer
    prometheus: NodePrometheus
    containerd: Containerd
    api: KubernetesApi
    commands: Commands
    kubeconfig: Path
    inner_kubeconfig: Path


async def start(machine: Machine, programs: Programs, images: Awaitable[Sequence[Image]]) -> Node:
    """Start everything and wait until the node is Ready and answers DNS.

    Args:
        machine: What it runs on.
        programs: What is run.
        images: What is imported, awaited beside the start of the rest.

    Raises:
        RigError: Something did not start; the message says what.
    """
    credentials = Credentials(machine.directory / "credentials")
    etcd = EtcdServer(machine, quota_bytes=QUOTA)
    api_server = ApiServer(machine, programs.assets, etcd, credentials)
    containerd = Containerd(machine)
    options = PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval="1s")
    prometheus = NodePrometheus(machine, options=options)
    await machine.publish(LOOPBACK, etcd.port, outside=etcd.port)
    await machine.publish(NODE_ADDRESS, API_PORT, outside=api_server.port)
    await machine.publish(NODE_ADDRESS, PROMETHEUS_PORT, outside=prometheus.port)
    kubeconfig = credentials.kubeconfig(
        "kubernetes-admin", group=ADMINISTRATORS, host=LOOPBACK, port=api_server.port
    )
    home = machine.directory / "home"
    home.mkdir()
    node = Node(
        machine=machine,
        etcd=etcd,
        prometheus=prometheus,
        containerd=containerd,
        api=KubernetesApi(machine.http, api_server.url, api_server.trust),
        commands=Commands(
            kubectl=programs.assets / "kubectl",
            helm=programs.helm,
            kubeconfig=kubeconfig,
            directory=home,
        ),
        kubeconfig=kubeconfig,
        inner_kubeconfig=credentials.kubeconfig("node-administrator", group=ADMINISTRATORS),
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_load(containerd, images))
        tasks.create_task(prometheus.start())
        await etcd.start()
        # kube-controller-manager gives up where nobody answers.
        await api_server.start(within=_START_SECONDS)
        for server in (
            controller_manager(machine, programs.node, credentials),
            Controller(machine, programs.node / "kube-scheduler", credentials),
            KubeProxy(machine, programs.node, credentials),
        ):
            await server.start()
        await node.api.apply(proxier_binding(), *cluster_dns())
    # Without the pause image it would wait for a registry and retry later and later.
    await Kubelet(machine, programs.node, credentials).start()
    await wait_node_ready(node.api)
    await wait_rolled_out(node.api, f"{DEPLOYMENTS.format(SYSTEM)}/kube-dns")
    await prometheus.wait_scraped()
    return node


DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


async def wait_node_ready(api: KubernetesApi) -> None:
    """Wait until the node takes pods."""

    async def ready() -> bool:
        found = await api.get(NODE_PATH)
        if HTTPStatus.OK != found.status:
            return False
        conditions = found.body["status"].get("conditions", [])
        return "True" in {c["status"] for c in conditions if "Ready" == c["type"]}

    await wait_until(ready, within=_START_SECONDS, what="the node to be Ready", every=0.3)


async def wait_rolled_out(api: KubernetesApi, path: str, *, within: float = _START_SECONDS) -> None:
    """Wait until a Deployment or StatefulSet runs what it describes, and nothing older."""

    async def done() -> bool:
        found = await api.get(path)
        return HTTPStatus.OK == found.status and _rolled_out(found.body)

    await wait_until(done, within=within, what=f"{path} to be rolled out", every=0.3)


def _rolled_out(workload: Object) -> bool:
    status, wanted = workload["status"], workload["spec"]["replicas"]
    counts = [status.get(f"{name}Replicas", 0) for name in ("updated", "ready", "available")]
    seen = status.get("observedGeneration") == workload["metadata"]["generation"]
    return bool(seen and [wanted] * 3 == counts and wanted == status.get("replicas", 0))


async def _load(containerd: Containerd, images: Awaitable[Sequence[Image]]) -> None:
    await containerd.start()
    for image in await images:
        await containerd.load(image)
