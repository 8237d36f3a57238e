"""Whether this machine can run a node, and if not, why not.

Run as a program it needs the standard library alone, and exits with 1 where none can run.
"""

import os
import subprocess
import sys

from tests.cluster import cgroups
from tests.cluster.first_process import NODE_NAME

_SCRIPT = f"""
set -e
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/merged
mount -t overlay overlay -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /mnt/merged
hostname {NODE_NAME}
ip link add left0 type veth peer name right0
"""
_ATTEMPT = (
    *("unshare", "--net", "--mount", "--pid", "--uts", "--ipc", "--fork", "--mount-proc"),
    *("sh", "-c", _SCRIPT),
)


def hindrance() -> str | None:
    """Return one line that says why no node can run here, None if one can."""
    if sys.platform != "linux":
        return "a node needs Linux"
    if os.geteuid():
        return "a node needs root, for namespaces, mounts and control groups"
    try:
        tried = subprocess.run(_ATTEMPT, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"a node needs unshare, of util-linux: {error}"
    if tried.returncode:
        said = tried.stderr.strip().splitlines()
        return (
            f"the kernel gives a node no namespaces or mounts: {said[-1] if said else 'no reason'}"
        )
    return _without_group()


def _without_group() -> str | None:
    """Make a control group as a node does, and remove it; return why that fails."""
    name = f"etcd-shield-ability-{os.getpid()}"
    try:
        cgroups.make(name)
    except OSError as error:
        return f"the kernel gives a node no control group: {error}"
    finally:
        cgroups.remove(name)
    return None


def main() -> int:
    """Say in one line why no node can run here, if so, and return an exit code."""
    reason = hindrance()
    if reason is None:
        return 0
    print(f"tests/cluster cannot run here: {reason}.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
