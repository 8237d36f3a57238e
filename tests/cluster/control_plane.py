"""The control plane: etcd, API server, controller manager, scheduler, and Prometheus beside them.

etcd and Prometheus are the rig's own; what is here differs only in addresses.
"""

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.credentials import ADMINISTRATORS, API_PORT, Credentials
from tests.cluster.first_process import NODE_ADDRESS
from tests.cluster.machine import Machine
from tests.rig.certificates import CertificateFiles
from tests.rig.errors import NoAnswerError
from tests.rig.etcd import EtcdServer
from tests.rig.ports import LOOPBACK
from tests.rig.probing import silence_as_no_answer
from tests.rig.prometheus import PrometheusServer
from tests.rig.server import Server

if TYPE_CHECKING:
    import ssl

PODS = "10.89.0.0/24"
SERVICES = "10.90.0.0/24"
PROMETHEUS_PORT = 9090
_ISSUER = "https://kubernetes.default.svc"


class ApiServer(Server):
    """kube-apiserver with everything that pods need of it.

    Args:
        machine: Who runs it.
        assets: The directory of kube-apiserver.
        etcd: Where it stores.
        credentials: Where its certificates come from.
    """

    def __init__(
        self, machine: Machine, assets: Path, etcd: EtcdServer, credentials: Credentials
    ) -> None:
        self._assets = assets
        self._etcd = etcd
        self._credentials = credentials
        self._serving = credentials.api_server()
        self._to_kubelet = credentials.client("apiserver-kubelet-client", group=ADMINISTRATORS)
        admin = credentials.client("admin", group=ADMINISTRATORS)
        self.trust: ssl.SSLContext = CertificateFiles(
            cert_file=admin.cert_file, key_file=admin.key_file, ca_file=credentials.ca_file
        ).client_context()
        super().__init__(machine, "kube-apiserver")

    @property
    def url(self) -> str:
        """Its base URL outside the machine."""
        return f"https://{LOOPBACK}:{self.port}"

    def reserve_ports(self) -> None:
        # Outside; inside it is fixed.
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        ca, keys = self._credentials.ca_file, self._serving
        return [
            str(self._assets / "kube-apiserver"),
            f"--etcd-servers={self._etcd.url}",
            "--etcd-compaction-interval=0",  # the tests compact
            f"--secure-port={API_PORT}",
            f"--advertise-address={NODE_ADDRESS}",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={keys.cert_file}",
            f"--tls-private-key-file={keys.key_file}",
            f"--client-ca-file={ca}",
            f"--requestheader-client-ca-file={ca}",
            "--requestheader-allowed-names=none",
            f"--kubelet-client-certificate={self._to_kubelet.cert_file}",
            f"--kubelet-client-key={self._to_kubelet.key_file}",
            "--kubelet-preferred-address-types=InternalIP",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--allow-privileged=true",
            f"--service-cluster-ip-range={SERVICES}",
            f"--service-account-issuer={_ISSUER}",
            f"--service-account-key-file={keys.key_file}",
            f"--service-account-signing-key-file={keys.key_file}",
        ]

    async def is_ready(self) -> bool:
        try:
            with silence_as_no_answer(self.name):
                async with self.rig.http.get(f"{self.url}/readyz", ssl=self.trust) as response:
                    return HTTPStatus.OK == response.status
        except NoAnswerError:
            return False


class Controller(Server):
    """A program that works through the API server: controller manager or scheduler.

    Args:
        machine: Who runs it.
        program: Its path.
        credentials: Where its kubeconfig comes from; its user is `system:<program>`.
        arguments: More arguments.
    """

    def __init__(
        self, machine: Machine, program: Path, credentials: Credentials, *arguments: str
    ) -> None:
        self._program = program
        self._kubeconfig = credentials.kubeconfig(f"system:{program.name}")
        self._arguments = arguments
        super().__init__(machine, program.name)

    def reserve_ports(self) -> None:
        """Its port is never asked."""

    def command(self) -> list[str]:
        return [
            str(self._program),
            *(
                f"--{kind}kubeconfig={self._kubeconfig}"
                for kind in ("", "authentication-", "authorization-")
            ),
            "--leader-elect=false",
            f"--bind-address={LOOPBACK}",
            *self._arguments,
        ]

    async def is_ready(self) -> bool:
        """What it does is awaited, not itself."""
        return True


def controller_manager(machine: Machine, programs: Path, credentials: Credentials) -> Controller:
    """Return the controller manager."""
    key = credentials.directory / "apiserver.key"
    return Controller(
        machine,
        programs / "kube-controller-manager",
        credentials,
        f"--service-account-private-key-file={key}",
        f"--root-ca-file={credentials.ca_file}",
        "--use-service-account-credentials",
    )


class NodePrometheus(PrometheusServer):
    """Prometheus where pods reach it, at a fixed port of the node."""

    inside = f"http://{NODE_ADDRESS}:{PROMETHEUS_PORT}"

    def command(self) -> list[str]:
        listen = f"--web.listen-address={LOOPBACK}:{self.port}"
        return [
            f"--web.listen-address={NODE_ADDRESS}:{PROMETHEUS_PORT}" if listen == part else part
            for part in super().command()
        ]
