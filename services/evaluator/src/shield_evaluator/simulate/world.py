"""What is simulated: etcd, the runs that fill it, who asks for them, and how etcd is watched.

Sizes are bytes; spans are whole seconds, since the simulation moves second by second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3
MINUTE: Final = 60
HOUR: Final = 3600

# Seven days; longer ones take minutes and show nothing that one day does not.
MAX_SECONDS: Final = 7 * 24 * HOUR
# A thousand creations a second are more than an API server takes.
MAX_RATE: Final = 1000.0
MAX_ADMITTERS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RunModel:
    """What one run does to etcd. It grows evenly while it lasts.

    The defaults are a run of 16 tasks as measured on a real Tekton controller, kept small: 267
    revisions of objects that grow up to 20 KiB.

    Attributes:
        leaves: bytes of its objects, which stay until it is pruned.
        writes: bytes of the revisions on the way there, which the compaction removes.
        lasts: how long it writes.
        pruned_after: how long after its end its objects are deleted.
        held: bytes of the object of a run that is held, which a run that starts goes on with.
        held_writes: bytes of the revisions that holding and releasing it take.
    """

    leaves: int = round(0.6 * MIB)
    writes: int = 4 * MIB
    lasts: int = 15 * MINUTE
    pruned_after: int = 30 * MINUTE
    held: int = 14 * KIB
    held_writes: int = 62 * KIB

    def __post_init__(self) -> None:
        if self.leaves < 0 or self.writes < 0:
            raise ValueError("a run cannot leave or write less than nothing")
        if self.lasts < 1 or self.pruned_after < 1:
            raise ValueError("a run must last, and be kept after its end, for at least 1s")

    @property
    def cost(self) -> int:
        """All that a run writes: its right ``run_cost``."""
        return self.leaves + self.writes


@dataclass(frozen=True, slots=True, kw_only=True)
class EtcdModel:
    """An etcd before the first run arrives, and its maintenance.

    Attributes:
        quota: bytes at which etcd raises NOSPACE.
        base: share of the quota that is in use without any run.
        file: size of the file at the start as a share of the quota; not less than ``base``.
        compaction: seconds between two compactions. Each removes the revisions that the one before
            it has seen, as Kubernetes' API server asks for; so revisions live one to two of them.
        defrag: seconds between two defragmentations; None for never.
    """

    quota: int = 8 * GIB
    base: float = 0.15
    file: float = 0.0
    compaction: int = 5 * MINUTE
    defrag: int | None = HOUR

    def __post_init__(self) -> None:
        if not MIB <= self.quota <= 1024 * GIB:
            raise ValueError("quota must be from 1Mi to 1024Gi")
        if not 0 <= self.base < 1 or not 0 <= self.file < 1:
            raise ValueError("etcd must start below its quota: shares from 0 to below 1")
        if self.compaction < 1 or (self.defrag is not None and self.defrag < 1):
            raise ValueError("compaction and defrag must be at least 1s apart")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """How those who are refused behave.

    Attributes:
        patient: share of them that comes back at all; the others give up at once.
        retries: how often they come back; client-go does so ten times.
        wait: seconds between two tries, give or take half of it.
    """

    patient: float = 0.7
    retries: int = 10
    wait: int = 30

    def __post_init__(self) -> None:
        if not 0 <= self.patient <= 1:
            raise ValueError("the share of clients that come back must be from 0 to 1")
        if not 0 <= self.retries <= 1000:  # noqa: PLR2004 - the bound is named by the message
            raise ValueError("clients come back from 0 to 1000 times")
        if self.wait < 2:  # noqa: PLR2004 - half of it must still be a second
            raise ValueError("clients wait at least 2s before they come back")


@dataclass(frozen=True, slots=True)
class Arrivals:
    """How many runs are asked for.

    Attributes:
        changes: (second, runs per second from then on), in order of time; the first is at 0.
    """

    changes: Sequence[tuple[int, float]]

    def __post_init__(self) -> None:
        if not self.changes or self.changes[0][0] != 0:
            raise ValueError("arrivals must begin at second 0")
        if not all(0 <= rate <= MAX_RATE for _, rate in self.changes):
            raise ValueError(f"a rate must be from 0/s to {MAX_RATE:g}/s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """How etcd is watched, and by how many admitters requests are answered.

    Attributes:
        scrape: seconds between two scrapes of etcd.
        interval: seconds between two cycles of the evaluator.
        admitters: how many there are; requests reach them at random.
        blind: (from, to) in seconds: stretches without metrics.
    """

    scrape: int = 30
    interval: int = 5
    admitters: int = 3
    blind: Sequence[tuple[int, int]] = ()

    def __post_init__(self) -> None:
        if self.scrape < 1 or self.interval < 1:
            raise ValueError("scrape and interval must be at least 1s")
        if not 1 <= self.admitters <= MAX_ADMITTERS:
            raise ValueError(f"there are from 1 to {MAX_ADMITTERS} admitters")

    def sees(self, second: int) -> bool:
        """Return whether there are metrics at a time."""
        return not any(start <= second < end for start, end in self.blind)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All of one simulation but the configuration that is tried.

    Attributes:
        seconds: how long it takes.
        arrivals: how many runs are asked for.
        etcd: the etcd that they fill.
        run: what each does to it.
        clients: what those do who are refused.
        watching: how etcd is watched.
        tiers: tier -> its share of the arrivals; empty for the default tier alone.
        seed: for chance.
    """

    seconds: int
    arrivals: Arrivals
    etcd: EtcdModel = field(default_factory=EtcdModel)
    run: RunModel = field(default_factory=RunModel)
    clients: Clients = field(default_factory=Clients)
    watching: Watching = field(default_factory=Watching)
    tiers: Mapping[str, float] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.seconds <= MAX_SECONDS:
            raise ValueError("a simulation takes from 1s to 168h")
