"""The node's own control group: below it the kubelet puts its pods.

cgroup v1 has a tree for each controller, v2 has one.
"""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_ROOT: Final = Path("/sys/fs/cgroup")
# What the kubelet wants to find in its root.
_V2_CONTROLLERS: Final = ("cpu", "cpuset", "memory", "pids")


def unified() -> bool:
    """Whether this machine has cgroup v2 alone."""
    return (_ROOT / "cgroup.controllers").exists()


def make(name: str) -> None:
    """Make a group at the top of every tree.

    Raises:
        OSError: There is no tree, or the kernel refused, e.g. because this is not the machine's
            own root.
    """
    if not any(_trees()):
        raise FileNotFoundError(errno.ENOENT, "no control groups", str(_ROOT))
    if unified():
        enabled = (_ROOT / "cgroup.subtree_control").read_text().split()
        for controller in set(_V2_CONTROLLERS) - set(enabled):
            (_ROOT / "cgroup.subtree_control").write_text(f"+{controller}")
    for tree in _trees():
        group = tree / name
        group.mkdir()
        # In v1 a new group may use no processor and no memory node until it is told which.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not unified() and (tree / file).exists():
                (group / file).write_text((tree / file).read_text())


def remove(name: str) -> None:
    """Remove the group and what is below it; no process may be left in it."""
    for tree in _trees():
        group = tree / name
        if name and group.is_dir():
            for directory in sorted(group.rglob("*/"), reverse=True):
                directory.rmdir()
            group.rmdir()


def _trees() -> Iterator[Path]:
    if unified():
        yield _ROOT
        return
    for tree in sorted(_ROOT.iterdir() if _ROOT.is_dir() else ()):
        # Others, as `cpu,cpuacct`, are links to a tree that is listed as well.
        if tree.is_dir() and not tree.is_symlink() and (tree / "cgroup.procs").exists():
            yield tree
