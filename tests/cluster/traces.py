"""What a node could leave on the machine that ran it."""

import re
import subprocess
from pathlib import Path
from typing import Final

from tests.cluster.first_process import KERNEL_SETTINGS

# Where container tools and the kubelet keep what they know.
_PLACES: Final = (
    "/etc/cni", "/opt/cni", "/opt/containerd", "/run/containerd", "/run/netns", "/run/runc",
    "/run/flannel", "/usr/libexec/kubernetes", "/var/lib/cni", "/var/lib/containerd",
    "/var/lib/kubelet", "/var/log/containers", "/var/log/pods",
)  # fmt: skip
_GROUP_PREFIX: Final = "etcd-shield-node-"


def look() -> dict[str, object]:
    """Return what is there now, by kind; two looks are equal when nothing was left."""
    return {
        "links": _lines("ip", "-brief", "link"),
        "addresses": _lines("ip", "-brief", "address"),
        "routes": _lines("ip", "route", "show", "table", "all"),
        "firewall": [line for line in _lines("iptables-save") if not line.startswith(("#", ":"))],
        "mounts": sorted(line.split()[4] for line in _read("/proc/self/mountinfo")),
        "groups": sorted(str(p) for p in Path("/sys/fs/cgroup").glob(f"*/{_GROUP_PREFIX}*")),
        "processes": _processes(),
        "host name": _read("/proc/sys/kernel/hostname"),
        "settings": {name: _read(f"/proc/sys/{name}") for name in KERNEL_SETTINGS},
        "places": {place: sorted(_names(Path(place))) for place in _PLACES},
    }


def _processes() -> list[str]:
    """Return the processes of nodes, whoever started them."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command = (directory / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if re.search(rf"{_GROUP_PREFIX}|\bcontainerd-shim|^/pause\b", command):
            found.append(command.strip())
    return sorted(found)


def _names(place: Path) -> list[str]:
    return [path.name for path in place.iterdir()] if place.is_dir() else []


def _lines(*command: str) -> list[str]:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def _read(path: str) -> list[str]:
    file = Path(path)
    return file.read_text().splitlines() if file.exists() else []
