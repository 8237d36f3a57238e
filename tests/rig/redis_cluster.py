"""A Redis Cluster: masters that share the slots, without replicas."""

from collections.abc import Sequence

from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.waiting import wait_until

_SLOTS = 16384  # https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
_FORM_SECONDS = 30.0


class ClusterNode(RedisServer):
    """One master of a Redis Cluster; `form_cluster` makes several into one."""

    def reserve_ports(self) -> None:
        super().reserve_ports()
        self.bus_port = self.rig.ports.reserve()

    def _config_lines(self) -> list[str]:
        return [
            *super()._config_lines(),
            "cluster-enabled yes",
            "cluster-config-file nodes.conf",
            "cluster-node-timeout 5000",
            f"cluster-port {self.bus_port}",
        ]


async def form_cluster(nodes: Sequence[ClusterNode]) -> None:
    """Start the nodes, share the slots among them and wait until all agree.

    Raises:
        RigError: They did not become a cluster in time.
    """
    await start_all(*nodes)
    for number, node in enumerate(nodes):
        first, beyond = (_SLOTS * end // len(nodes) for end in (number, number + 1))
        await node.call("CLUSTER ADDSLOTSRANGE", first, beyond - 1)
        await nodes[0].call("CLUSTER MEET", LOOPBACK, node.port, node.bus_port)

    async def agreed() -> bool:
        answers = [await node.call("CLUSTER INFO") for node in nodes]
        return all(
            "ok" == info["cluster_state"] and len(nodes) == int(info["cluster_known_nodes"])
            for info in answers
        )

    await wait_until(agreed, within=_FORM_SECONDS, what="the nodes to form a cluster")
