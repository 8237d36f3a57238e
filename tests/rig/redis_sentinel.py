"""A Sentinel that watches a Redis master and promotes its replica."""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.server import Server, program

MASTER_NAME = "shield"
# Milliseconds without an answer after which the master counts as down; a busy machine is not down.
_DOWN_AFTER_MS = 3000


class RedisSentinel(Server):
    """One redis-sentinel on loopback, which alone may decide on a failover.

    Args:
        rig: Owner of the process and its files.
        master: What it watches; started already, so that its port is known.
        name: Name of its files and in messages.
        lines: More lines of sentinel.conf, e.g. ACL users. The default user must be able to ask for
            replicas: the rig does.
        password: Of the default user; None lets everyone in.
    """

    def __init__(
        self,
        rig: Rig,
        master: RedisServer,
        name: str = "sentinel",
        *,
        lines: Sequence[str] = (),
        password: str | None = None,
    ) -> None:
        self._master = master
        self._password = password
        self._lines = lines
        super().__init__(rig, name)

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def ipv6_address(self) -> str:
        """`[host]:port`."""
        return f"[::1]:{self.port}"

    def reserve_ports(self) -> None:
        self.port = self.rig.ports.reserve()

    def command(self) -> list[str]:
        config = self.directory / "sentinel.conf"
        lines = [
            f"bind {LOOPBACK} -::1",
            f"port {self.port}",
            f"dir {self.directory}",
            f"sentinel monitor {MASTER_NAME} {LOOPBACK} {self._master.port} 1",
            f"sentinel down-after-milliseconds {MASTER_NAME} {_DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER_NAME} 5000",
        ]
        if self._master.options.password is not None:
            lines.append(f"sentinel auth-pass {MASTER_NAME} {self._master.options.password}")
        if self._password is not None:
            lines.append(f"requirepass {self._password}")
        config.write_text("".join(f"{line}\n" for line in [*lines, *self._lines]))
        return [program("redis-sentinel"), str(config)]

    async def is_ready(self) -> bool:
        """Whether it knows a replica that it could promote."""
        client = Redis(
            host=LOOPBACK,
            port=self.port,
            password=self._password,
            protocol=2,
            decode_responses=True,
        )
        async with client:
            try:
                replicas = await client.sentinel_slaves(MASTER_NAME)
            except RedisError:
                return False
        return any("ok" == replica.get("master-link-status") for replica in replicas)


def replica_of(master: RedisServer) -> RedisOptions:
    """Return what makes a server a replica of one that runs."""
    return RedisOptions(
        password=master.options.password,
        lines=[
            f"replicaof {LOOPBACK} {master.port}",
            *([f"masterauth {master.options.password}"] if master.options.password else []),
        ],
    )
