"""What runs on every node: containerd, kubelet, kube-proxy."""

import asyncio
import json
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.control_plane import PODS, SERVICES
from tests.cluster.credentials import Credentials
from tests.cluster.first_process import NODE_ADDRESS, NODE_NAME
from tests.cluster.images import PAUSE, Image
from tests.cluster.machine import Machine
from tests.rig.errors import RigError
from tests.rig.server import Server, program

DNS_ADDRESS = "10.90.0.10"
_SOCKET = "/run/containerd/containerd.sock"
_PLUGINS = ("/usr/lib/cni", "/opt/cni/bin")
_IN_PODS = ("--namespace=k8s.io",)
_IMPORT_SECONDS = 300.0


class Containerd(Server):
    """containerd with runc; pods are connected point to point, and all they send is routed.

    Args:
        machine: Who runs it.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        super().__init__(machine, "containerd")

    def reserve_ports(self) -> None:
        """It listens on a Unix socket inside."""

    def command(self) -> list[str]:
        config = self.directory / "config.toml"
        network = self.directory / "network"
        network.mkdir(exist_ok=True)
        (network / "10-pods.conflist").write_text(json.dumps(_NETWORK))
        plugins = next(place for place in _PLUGINS if Path(place, "ptp").exists())
        config.write_text(f"""
version = 2
root = "{self._machine.stored}/containerd"
state = "/run/containerd"
[grpc]
address = "{_SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = "{self._machine.stored}/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE}"
disable_apparmor = true
# A container may have no CAP_SYS_RESOURCE.
restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{network}"
[plugins."io.containerd.grpc.v1.cri".containerd]
default_runtime_name = "runc"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
""")
        return [program("containerd"), f"--config={config}"]

    async def is_ready(self) -> bool:
        return 0 == (await self._ctr("version"))[0]

    async def load(self, image: Image) -> None:
        """Import an image.

        Raises:
            RigError: containerd refused it.
        """
        command = ("images", "import", "--digests=false", str(image.archive))
        async with asyncio.timeout(_IMPORT_SECONDS):
            status, said = await self._ctr(*_IN_PODS, *command)
        if status:
            raise RigError(f"{image.name} could not be imported: {said}")

    async def kill_container(self, container: str) -> None:
        """End a container's first process with SIGKILL.

        Args:
            container: Its id, as a pod's status names it.

        Raises:
            RigError: There is none.
        """
        identity = container.removeprefix("containerd://")
        status, said = await self._ctr(*_IN_PODS, "tasks", "kill", "--signal=SIGKILL", identity)
        if status:
            raise RigError(f"{identity} could not be killed: {said}")

    async def _ctr(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *self._machine.entrance, program("ctr"), f"--address={_SOCKET}", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        try:
            said, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, said.decode(errors="replace")


class Kubelet(Server):
    """The kubelet.

    Args:
        machine: Who runs it.
        programs: The directory of the kubelet.
        credentials: Where its certificates come from.
    """

    def __init__(self, machine: Machine, programs: Path, credentials: Credentials) -> None:
        self._machine = machine
        self._programs = programs
        self._ca_file = credentials.ca_file
        self._serving = credentials.kubelet()
        self._kubeconfig = credentials.kubeconfig(f"system:node:{NODE_NAME}", group="system:nodes")
        super().__init__(machine, "kubelet")

    def reserve_ports(self) -> None:
        """Its ports are fixed inside."""

    def command(self) -> list[str]:
        config = self.directory / "config.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        return [
            str(self._programs / "kubelet"),
            f"--config={config}",
            f"--kubeconfig={self._kubeconfig}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={self._machine.stored / 'kubelet'}",
        ]

    async def is_ready(self) -> bool:
        """The node's Ready condition is awaited, not the process."""
        return True

    def _config(self) -> dict[str, Any]:
        # A disk that is nearly full evicts nobody.
        little = {"memory.available": "100Mi"}
        little |= dict.fromkeys(
            ("nodefs.available", "imagefs.available", "nodefs.inodesFree"), "1%"
        )
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": NODE_ADDRESS,
            "authentication": {
                "anonymous": {"enabled": False},
                "x509": {"clientCAFile": str(self._ca_file)},
                "webhook": {"enabled": True},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(self._serving.cert_file),
            "tlsPrivateKeyFile": str(self._serving.key_file),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._machine.control_group}",
            "failCgroupV1": False,
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "containerRuntimeEndpoint": f"unix://{_SOCKET}",
            "clusterDNS": [DNS_ADDRESS],
            "clusterDomain": "cluster.local",
            "resolvConf": "/etc/resolv.conf",
            "podLogsDir": str(self._machine.stored / "pod-logs"),
            "volumePluginDir": str(self._machine.stored / "volume-plugins"),
            "evictionHard": little,
            "imageGCHighThresholdPercent": 100,
            # How soon a changed ConfigMap is in its pods, at most.
            "syncFrequency": "2s",
        }


class KubeProxy(Server):
    """kube-proxy with iptables.

    Args:
        machine: Who runs it.
        programs: The directory of kube-proxy.
        credentials: Where its kubeconfig comes from.
    """

    def __init__(self, machine: Machine, programs: Path, credentials: Credentials) -> None:
        self._programs = programs
        self._kubeconfig = credentials.kubeconfig("system:kube-proxy")
        super().__init__(machine, "kube-proxy")

    def reserve_ports(self) -> None:
        """Its ports are fixed inside."""

    def command(self) -> list[str]:
        config = self.directory / "config.yaml"
        config.write_text(yaml.safe_dump(self._config()))
        return [str(self._programs / "kube-proxy"), f"--config={config}"]

    async def is_ready(self) -> bool:
        """What it does is awaited, not itself."""
        return True

    def _config(self) -> dict[str, Any]:
        # It would set limits of the whole kernel.
        nothing: dict[str, Any] = {"maxPerCore": 0, "min": 0}
        nothing |= dict.fromkeys(("tcpEstablishedTimeout", "tcpCloseWaitTimeout"), "0s")
        return {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "iptables",
            "oomScoreAdj": 0,
            "clusterCIDR": PODS,
            "hostnameOverride": NODE_NAME,
            "clientConnection": {"kubeconfig": str(self._kubeconfig)},
            "conntrack": nothing,
        }


class KubeRouter(Server):
    """kube-router, which only enforces NetworkPolicies here.

    Args:
        machine: Who runs it.
        programs: The directory of kube-router.
        kubeconfig: An administrator's, for use on the node.
    """

    def __init__(self, machine: Machine, programs: Path, kubeconfig: Path) -> None:
        self._machine = machine
        self._program = str(programs / "kube-router")
        self._kubeconfig = kubeconfig
        super().__init__(machine, "kube-router")

    def reserve_ports(self) -> None:
        """Its ports are fixed inside."""

    def command(self) -> list[str]:
        return [
            self._program,
            f"--kubeconfig={self._kubeconfig}",
            f"--hostname-override={NODE_NAME}",
            f"--service-cluster-ip-range={SERVICES}",
            "--run-router=false",
            "--run-service-proxy=false",
            "--enable-cni=false",
        ]

    async def is_ready(self) -> bool:
        """What it does is awaited, not itself."""
        return True

    async def undo(self) -> None:
        """Stop it, and remove its rules."""
        await self.stop()
        command = [*self._machine.entrance, self._program, "--cleanup-config"]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
        )
        await process.wait()


_NETWORK = {
    "cniVersion": "0.4.0",
    "name": "pods",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ],
}
