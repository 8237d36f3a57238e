"""What `--hold` adds to the servers of the demo: an API server, and the controller beside it.

The webhooks are those that the chart renders; only their address is another one, because there is
no Service without a node.
"""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.demo.plan import NAMESPACE
from tests.e2e.objects import namespace, pipeline_run_definition
from tests.helm.chart import Chart
from tests.rig.apiserver import KubeApiServer
from tests.rig.balancer import Balancer
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import built_apiserver, built_helm
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.services import Admitter, Config, Controller
from tests.rig.waiting import wait_until

# The name in the kubeconfig's certificate, by which the admitters know the controller.
CONTROLLER_USER = "admin"
RUNS_PATH = f"/apis/tekton.dev/v1/namespaces/{NAMESPACE}/pipelineruns"
_SECONDS = 120.0  # for anything that an API server does at its start, on a busy machine
_WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
# What an admitter shows once each of its webhooks was asked about a run that is let in.
_ASKED: tuple[tuple[str, dict[str, str]], ...] = (
    ("etcd_shield_mutation_requests_total", {"action": "admitted"}),
    ("etcd_shield_admission_duration_seconds_count", {}),
)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The API server, the admitters' Service, and the controller."""

    server: KubeApiServer
    balancer: Balancer
    controller: Controller

    @property
    def api(self) -> KubernetesApi:
        """Requests to the API server."""
        return self.server.api


async def start_api_server(rig: Rig, etcd: EtcdServer) -> KubeApiServer:
    """Start an API server on an etcd, and define runs.

    Raises:
        ServerFailedError: It did not start.
    """
    server = KubeApiServer(rig, built_apiserver(), etcd)
    await server.start(within=_SECONDS)
    await server.api.create(pipeline_run_definition())
    await server.api.create(namespace(NAMESPACE))

    async def served() -> bool:
        return 200 == (await server.api.get(RUNS_PATH)).status

    await wait_until(served, within=_SECONDS, what="runs to be served", every=0.2)
    return server


async def start_cluster(
    rig: Rig,
    server: KubeApiServer,
    *,
    admitters: Sequence[Admitter],
    ca_file: Path,
    controller_config: Config,
    example: Object,
) -> Cluster:
    """Start the controller, and let the API server ask the admitters.

    Args:
        rig: Ends the servers at the latest.
        server: Runs.
        admitters: Run.
        ca_file: Of the admitters' certificates.
        controller_config: Its configuration.
        example: A run, by which is seen that the webhooks are called; it is not stored.

    Raises:
        ServerFailedError: The controller did not start.
    """
    balancer = Balancer(rig, admitters)
    await balancer.start()
    controller = Controller(rig, controller_config, server.kubeconfig)
    await controller.start()
    for configuration in await asyncio.to_thread(webhooks, balancer.port, ca_file):
        await server.api.create(configuration)

    async def called() -> bool:
        await server.api.create(example, dry_run=True)
        shown = [
            [await admitter.metric(name, **labels) for admitter in admitters]
            for name, labels in _ASKED
        ]
        return all(any(values) for values in shown)

    await wait_until(called, within=_SECONDS, what="the webhooks to be called", every=0.3)
    return Cluster(server=server, balancer=balancer, controller=controller)


def decision_definition() -> Object:
    """Return the chart's definition of Decision objects."""
    rendered = Chart(built_helm()).render({"publish": {"kubernetes": True}})
    return rendered.one("CustomResourceDefinition")


def webhooks(port: int, ca_file: Path, *, timeout: int = 3) -> list[Object]:
    """Return the chart's webhook configurations, with the address of a port on loopback.

    Args:
        port: Of the admitters' Service.
        ca_file: Of the admitters' certificates.
        timeout: Seconds that the API server gives an admitter.
    """
    values = {"hold": {"enabled": True}, "webhook": {"timeoutSeconds": timeout}}
    rendered = Chart(built_helm()).render(values)
    configurations = [rendered.one(kind) for kind in _WEBHOOKS]
    ca = base64.b64encode(ca_file.read_bytes()).decode()
    for configuration in configurations:
        for webhook in configuration["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            url = f"https://{LOOPBACK}:{port}{path}"
            webhook["clientConfig"] = {"url": url, "caBundle": ca}
    return configurations
