"""Drive the load, and read what it cost the server."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from tests.bench.contestants import LOAD_CORE, Contestant, PinnedAdmitter, pinned
from tests.rig.commands import run
from tests.rig.errors import RigError
from tests.rig.ports import LOOPBACK

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """One load on one server.

    Attributes:
        requests: how many were answered.
        errors: how many were not.
        seconds: how long it took.
        cpu_seconds: what it cost the server.
        p50_ms: the median answer.
        p99_ms: the slowest answer but for one in a hundred.
        rss: the server's memory afterwards, bytes.
    """

    requests: int
    errors: int
    seconds: float
    cpu_seconds: float
    p50_ms: float
    p99_ms: float
    rss: int

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds

    @property
    def per_core_second(self) -> float:
        """Requests per second of the server's CPU time: the rate, if the core were all its own."""
        return self.requests / self.cpu_seconds if self.cpu_seconds else 0.0


async def drive(
    load: Path,
    server: Contestant | PinnedAdmitter,
    body: Path,
    *,
    seconds: float,
    rate: float = 0,
    connections: int = 16,
) -> Run:
    """Send one body to one server.

    Raises:
        RigError: the load could not be driven.
    """
    before = cpu_seconds(server.pid)
    command = [str(load), "-address", f"{LOOPBACK}:{server.port}", "-path", server.path]
    command += ["-body", str(body), "-seconds", str(seconds), "-rate", str(rate)]
    command += ["-connections", str(connections)]
    ended = await run(*pinned(LOAD_CORE, command))
    if ended.status != 0:
        raise RigError(f"the load on {server.name} failed: {ended.err}")
    result = json.loads(ended.out)
    return Run(
        requests=result["requests"],
        errors=result["errors"],
        seconds=result["seconds"],
        cpu_seconds=cpu_seconds(server.pid) - before,
        p50_ms=result["p50_ms"],
        p99_ms=result["p99_ms"],
        rss=rss(server.pid),
    )


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children, which nginx serves with."""
    total = 0
    for one in (pid, *_children(pid)):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / _TICKS


def rss(pid: int) -> int:
    """Return the memory of a process and its children, bytes."""
    total = 0
    for one in (pid, *_children(pid)):
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1]) * 1024
    return total


def _children(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
