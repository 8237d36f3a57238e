"""Kyverno's admission controller on loopback, beside a kube-apiserver without nodes."""

from pathlib import Path

import aiohttp
import yaml

from tests.e2e.objects import namespace
from tests.rig.apiserver import KubeApiServer
from tests.rig.kubernetes_api import Object
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import Server

NAMESPACE = "kyverno"


class Kyverno(Server):
    """`kyverno`, out of its cluster: the API server calls it by address and not by a Service.

    Args:
        rig: Owner of the process and its files.
        assets: The directory of the program and of its config/crds.
        apiserver: Where it works, as administrator.
    """

    def __init__(self, rig: Rig, assets: Path, apiserver: KubeApiServer) -> None:
        self._assets = assets
        self._apiserver = apiserver
        self.api = apiserver.api
        super().__init__(rig, "kyverno")
        self.environment = {
            "KYVERNO_NAMESPACE": NAMESPACE,
            "KYVERNO_SERVICEACCOUNT_NAME": "kyverno-admission-controller",
            "KYVERNO_DEPLOYMENT": "kyverno-admission-controller",
            "KYVERNO_POD_NAME": "kyverno-admission-controller-1",
            "KYVERNO_SVC": "kyverno-svc",
            "INIT_CONFIG": "kyverno",
            "METRICS_CONFIG": "kyverno-metrics",
        }

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        return [
            str(self._assets / "kyverno"),
            f"--kubeconfig={self._apiserver.kubeconfig}",
            f"--serverIP={LOOPBACK}:{self.port}",
            f"--webhookServerHost={LOOPBACK}",
            f"--webhookServerPort={self.port}",
            "--caSecretName=kyverno-tls-ca",
            "--tlsSecretName=kyverno-tls-pair",
            "--controllerRuntimeMetricsAddress=0",
            "--disableMetrics=true",
            # Reports would need the controller that collects them.
            "--admissionReports=false",
        ]

    async def is_ready(self) -> bool:
        # It makes its own CA.
        url = f"https://{LOOPBACK}:{self.port}/health/readiness"
        try:
            async with self.rig.http.get(url, ssl=False) as response:
                return response.ok
        except aiohttp.ClientError:
            return False

    async def prepare(self) -> None:
        """Create what its installation creates: definitions, its namespace and settings."""
        for file in sorted((self._assets / "config" / "crds").rglob("*.yaml")):
            await self.api.apply(*yaml.safe_load_all(file.read_text()))
        await self.api.apply(namespace(NAMESPACE))
        await self.api.apply(*(_settings(name) for name in ("kyverno", "kyverno-metrics")))


def _settings(name: str) -> Object:
    """Return an empty ConfigMap: the defaults."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "data": {},
    }
