"""How long the machine, and the soak itself, kept an answer from coming.

Theory of operation
===================

The soak shares two cores with all that it tests, and with whatever else runs on the machine. An
answer comes late without a fault of the product when the admitter or the soak waits for a CPU, or
when the soak's event loop is busy with something else. Both are measured, ten times a second: the
kernel counts how long a process was ready to run and did not (`/proc/PID/schedstat`, second field,
nanoseconds: https://docs.kernel.org/scheduler/sched-stats.html), and a timer shows how late the
event loop is.

A deadline moves by what was lost meanwhile. So an admitter has all of its seconds on a busy
machine, and not one more on an idle one. What it loses while it computes or waits for anything but
a CPU is its own. Where the kernel does not count, only the event loop's delay is known.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tests.rig.errors import RigError
from tests.rig.server import Server

TICK_SECONDS = 0.1
_NANOSECONDS = 1e9

T = TypeVar("T")


@dataclass
class Delays:
    """Seconds lost since the soak began, for each server that answers it."""

    _lost: dict[str, float] = field(default_factory=dict)
    _waits: dict[str, tuple[int, float]] = field(default_factory=dict)
    _ticked_at: float | None = None

    async def measure(self, servers: Sequence[Server]) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            waits = {"": (os.getpid(), waited_for_cpu(os.getpid()))}
            for server in servers:
                with suppress(RigError):  # it is not running now
                    waits[server.name] = server.pid, waited_for_cpu(server.pid)
            self.tick(loop.time(), late=loop.time() - due, waits=waits)

    def tick(self, at: float, *, late: float, waits: Mapping[str, tuple[int, float]]) -> None:
        """Add what was lost since the last tick, which is at most all of that time.

        Args:
            at: The time, seconds.
            late: Seconds by which the event loop was late.
            waits: Server -> its process, and the seconds for which that has waited for a CPU; the
                soak itself has an empty name.
        """
        longest = 0.0 if self._ticked_at is None else at - self._ticked_at
        since = {name: self._since(name, *wait) for name, wait in waits.items()}
        own = max(late, since.pop("", 0.0))
        for name, waited in since.items():
            self._lost[name] = self.lost(name) + min(longest, own + waited)
        self._ticked_at = at
        self._waits = dict(waits)

    def lost(self, server: str) -> float:
        """Return the seconds that answers of a server have lost so far."""
        return self._lost.get(server, 0.0)

    def _since(self, name: str, process: int, waited: float) -> float:
        known, before = self._waits.get(name, (process, waited))
        return waited - before if known == process else 0.0


def waited_for_cpu(process: int) -> float:
    """Return the seconds for which a process' first thread has waited for a CPU; 0 if unknown."""
    try:
        fields = Path(f"/proc/{process}/schedstat").read_text(encoding="ascii").split()
    except OSError:
        return 0.0
    return int(fields[1]) / _NANOSECONDS


async def within(answer: Awaitable[T], seconds: float, *, lost: Callable[[], float]) -> T:
    """Wait for an answer for that many seconds, and for what is lost meanwhile.

    Args:
        answer: Is cancelled if it does not come.
        seconds: That the server has.
        lost: Returns the seconds that were lost since the soak began.

    Raises:
        TimeoutError: There was no answer.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(answer)
    began, lost_before, left = loop.time(), lost(), seconds
    try:
        while left > 0:
            await asyncio.wait({task}, timeout=left)
            if not task.done():
                await asyncio.sleep(TICK_SECONDS)  # what was just lost is known after a tick
            if task.done():
                return task.result()
            left = seconds + lost() - lost_before - (loop.time() - began)
        raise TimeoutError(
            f"{loop.time() - began:.1f} s, of which {lost() - lost_before:.1f} s without a CPU"
        )
    finally:
        task.cancel()
