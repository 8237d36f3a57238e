"""A machine that ended has left nothing behind; `conftest` looks at the whole node the same way."""

import pytest

from tests.cluster import traces
from tests.cluster.machine import Machine
from tests.cluster.node import Programs
from tests.cluster.node_servers import Containerd
from tests.rig.errors import ServerFailedError

BUSY = """
iptables --append INPUT --source 10.1.1.1 --jump DROP
ip link add left0 type veth peer name right0
mkdir -p /var/lib/kubelet /etc/cni/net.d /run/netns /usr/libexec/kubernetes
touch /etc/cni/net.d/10-left.conf
mount -t tmpfs tmpfs /run/netns
echo 5 > /proc/sys/kernel/panic
exec sleep infinity
"""


async def test_a_machine_leaves_no_links_rules_mounts_groups_or_processes(
    programs: Programs,  # noqa: ARG001 - containerd is installed with them
) -> None:
    before = traces.look()
    async with Machine() as machine:
        await Containerd(machine).start()
        machine.spawn("busy", ["sh", "-ec", BUSY])
        during = traces.look()
        assert before["groups"] != during["groups"]
        assert before["processes"] != during["processes"]
    assert before == traces.look()


async def test_a_machine_whose_preparation_fails_leaves_nothing_and_says_why() -> None:
    before = traces.look()
    with pytest.raises(ServerFailedError, match="namespaces could not be prepared"):
        async with Machine(first_process=("sh", "-c", "exit 3")):
            pass
    assert before == traces.look()
