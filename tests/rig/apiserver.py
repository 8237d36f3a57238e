"""A kube-apiserver on loopback like envtest's: with etcd, without controllers and nodes."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from tests.rig.certificates import Authority
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import Server

if TYPE_CHECKING:
    import ssl


class KubeApiServer(Server):
    """kube-apiserver, whose admin certificate allows everything, impersonation too.

    Args:
        rig: Owner of the process and its files.
        assets: The directory of kube-apiserver.
        etcd: Its storage.
    """

    def __init__(self, rig: Rig, assets: Path, etcd: EtcdServer) -> None:
        self.assets = assets
        self._etcd = etcd
        authority = Authority(rig.directory / "kubernetes-certificates")
        self._certificate = authority.server("apiserver")
        self._admin = authority.client("admin")
        self._trust: ssl.SSLContext = self._admin.client_context()
        super().__init__(rig, "kube-apiserver")
        self.kubeconfig = self.directory / "kubeconfig"

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://{LOOPBACK}:{self.port}"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        self.kubeconfig.write_text(json.dumps(self._kubeconfig()))
        return [
            str(self.assets / "kube-apiserver"),
            f"--etcd-servers={self._etcd.url}",
            f"--bind-address={LOOPBACK}",
            f"--secure-port={self.port}",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={self._certificate.cert_file}",
            f"--tls-private-key-file={self._certificate.key_file}",
            f"--client-ca-file={self._certificate.ca_file}",
            "--authorization-mode=AlwaysAllow",
            # Pods never run here, so their accounts need no tokens.
            "--disable-admission-plugins=ServiceAccount",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self._certificate.key_file}",
            f"--service-account-signing-key-file={self._certificate.key_file}",
        ]

    async def is_ready(self) -> bool:
        try:
            return HTTPStatus.OK == (await self.api.get("/readyz")).status
        except (aiohttp.ClientError, TimeoutError):
            return False

    @property
    def api(self) -> KubernetesApi:
        """Requests as its administrator."""
        return KubernetesApi(self.rig.http, self.url, self._trust)

    def _kubeconfig(self) -> Object:
        files = self._admin
        user = {"client-certificate": str(files.cert_file), "client-key": str(files.key_file)}
        cluster = {"server": self.url, "certificate-authority": str(files.ca_file)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "e2e", "cluster": cluster}],
            "users": [{"name": "admin", "user": user}],
            "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "admin"}}],
            "current-context": "e2e",
        }
