"""etcd as a single member or a cluster, with a backend quota and without automatic compaction."""

import asyncio
import platform
import shutil
from collections.abc import Sequence

from tests.rig.errors import PortTakenError, RigError
from tests.rig.etcd_client import EtcdClient
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.server import PORT_ATTEMPTS, START_SECONDS, Server, program

MEBIBYTE = 1024 * 1024
# etcd's own default.
DEFAULT_QUOTA_BYTES = 2048 * MEBIBYTE


class EtcdServer(Server):
    """One etcd member on loopback, by default a cluster of its own.

    Args:
        rig: Owner of the process and its files.
        name: Its member name.
        quota_bytes: `--quota-backend-bytes`; at this file size it takes no more writes.
        arguments: More command-line arguments.
    """

    def __init__(
        self,
        rig: Rig,
        name: str = "etcd",
        *,
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        arguments: Sequence[str] = (),
    ) -> None:
        self.quota_bytes = quota_bytes
        self.arguments = tuple(arguments)
        self.members: Sequence[EtcdServer] = (self,)
        super().__init__(rig, name)
        if platform.machine() in {"aarch64", "arm64"}:
            # Before 3.5, etcd starts on this architecture only with this acknowledgement.
            self.environment["ETCD_UNSUPPORTED_ARCH"] = "arm64"

    @property
    def url(self) -> str:
        """Its client URL; `/metrics` is here too."""
        return f"http://{self.target}"

    @property
    def target(self) -> str:
        """`host:port` for Prometheus to scrape."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def peer_url(self) -> str:
        """Where other members reach it."""
        return f"http://{LOOPBACK}:{self.peer_port}"

    @property
    def client(self) -> EtcdClient:
        """Calls to this member."""
        return EtcdClient(self.rig.http, self.url)

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()
        self.peer_port = self.rig.ports.reserve()
        # The data directory stores the peers' URLs, which have just changed.
        shutil.rmtree(self.directory / "data", ignore_errors=True)

    def command(self) -> list[str]:
        cluster = ",".join(f"{member.name}={member.peer_url}" for member in self.members)
        return [
            program("etcd"),
            f"--name={self.name}",
            f"--data-dir={self.directory / 'data'}",
            f"--listen-client-urls={self.url}",
            f"--advertise-client-urls={self.url}",
            f"--listen-peer-urls={self.peer_url}",
            f"--initial-advertise-peer-urls={self.peer_url}",
            f"--initial-cluster={cluster}",
            "--initial-cluster-state=new",
            f"--quota-backend-bytes={self.quota_bytes}",
            "--auto-compaction-retention=0",
            "--logger=zap",
            *self.arguments,
        ]

    async def is_ready(self) -> bool:
        """Whether it has a leader. Not `/health`, which fails while an alarm is raised."""
        try:
            return (await self.client.status()).leader != 0
        except RigError:
            return False


class EtcdCluster:
    """Several etcd members that form one cluster.

    Args:
        rig: Owner of the processes and their files.
        size: How many.
        name: The members are called `<name>-1`, `<name>-2` and so on.
        quota_bytes: Every member's `--quota-backend-bytes`.
        arguments: More command-line arguments for every member.
    """

    def __init__(
        self,
        rig: Rig,
        *,
        size: int = 3,
        name: str = "etcd",
        quota_bytes: int = DEFAULT_QUOTA_BYTES,
        arguments: Sequence[str] = (),
    ) -> None:
        self.members = tuple(
            EtcdServer(rig, f"{name}-{number}", quota_bytes=quota_bytes, arguments=arguments)
            for number in range(1, size + 1)
        )
        for member in self.members:
            member.members = self.members

    @property
    def client(self) -> EtcdClient:
        """Calls to the first member."""
        return self.members[0].client

    @property
    def targets(self) -> list[str]:
        """Every member's `host:port` for Prometheus."""
        return [member.target for member in self.members]

    async def start(self, *, within: float = START_SECONDS) -> None:
        """Start all members for the first time and wait until each has a leader.

        Raises:
            ProgramMissingError: etcd is not installed.
            ServerFailedError: A member ended, or was not ready after `within` seconds.
        """
        for attempt in range(1, PORT_ATTEMPTS + 1):
            for member in self.members:
                member.launch()
            try:
                await asyncio.gather(*(member.wait_ready(within=within) for member in self.members))
            except PortTakenError:
                if attempt == PORT_ATTEMPTS:
                    raise
                await self.stop()
                for member in self.members:
                    member.reserve_ports()
            else:
                return

    async def stop(self) -> None:
        """End all members."""
        await asyncio.gather(*(member.stop() for member in self.members))
