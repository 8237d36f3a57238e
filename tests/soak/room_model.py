"""What a correct shield may make of room, derived from what runs really still write.

Theory of operation
===================

The model knows what the shield can only predict: which admitted runs have how much left to write,
and how many of etcd's bytes somebody else wrote. Two answers are wrong whatever happens:

- Runs fill etcd above `target` by more than `slack`. Counts that died with an admitter, one run of
  each admitter and one interval's shares are within it. For `forgets` seconds after the evaluator
  and Redis may both have lost what was reserved, etcd may be fuller.
- "etcd has no room", although there has long been plenty: `plenty` of what fits is free for
  `settle` seconds, while nothing was disturbed.

A third one is wrong while everything works: the evaluator reserves for a run from soon after its
start until `lasts` seconds later, and for no other.

Nothing is said about *paced* runs: room is handed out over time, so a burst is paced on an empty
etcd as well.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

_SEEN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class RoomBounds:
    """Parameters of the model.

    Attributes:
        quota: Bytes that a usage of 1 stands for.
        target: Up to where runs may fill etcd, as a share of the quota.
        slack: By how much they may exceed that.
        plenty: Share of the quota below the target that no shield may call no room.
        settle: Seconds that a healthy shield may take to see that there is room.
        forgets: Seconds for which lost reservations may show.
        write_bytes: What one write of a run adds to etcd.
        lasts: Seconds for which the evaluator reserves for a run.
        counted: Seconds within which a start is counted and its reservation shows.
        unseen: Runs that may be counted although their start is not seen yet, or the reverse.
    """

    quota: int
    target: float
    slack: float
    plenty: float
    settle: float
    forgets: float
    write_bytes: int
    lasts: float
    counted: float
    unseen: int


@dataclass
class RoomModel:
    """Follows admitted runs and etcd's usage; times are seconds of one monotonic clock.

    Attributes:
        left: Writes that admitted runs have left.
        others: Bytes in etcd that no run wrote.
    """

    bounds: RoomBounds
    left: int = 0
    others: int = 0
    _free_since: float | None = None
    _disturbances: int = 0
    _calm_since: float = float("-inf")
    _lost_at: float = float("-inf")
    _starts: list[float] = field(default_factory=list)

    def disturb(self) -> None:
        """Something is broken from now on."""
        self._disturbances += 1

    def calm(self, at: float) -> None:
        """It works again from now on."""
        self._disturbances -= 1
        self._calm_since = max(self._calm_since, at)

    def lost(self, at: float) -> None:
        """All memory of reservations may be gone."""
        self._lost_at = at

    def begin(self, at: float, writes: int) -> None:
        """A run starts, and has that number of writes left."""
        self.left += writes
        self._starts.append(at)

    def may_reserve(self, at: float, runs: float) -> bool:
        """Return whether the evaluator may reserve for that number of runs at that time."""
        bounds = self.bounds
        longest = bounds.lasts + bounds.counted
        if self._disturbances or at - self._calm_since < bounds.settle + longest:
            return True
        most = self._started(at - longest, at)
        # A start is seen a little after it was counted.
        least = self._started(at - bounds.lasts + _SEEN_SECONDS, at - bounds.counted)
        return least - bounds.unseen <= runs <= most + bounds.unseen

    def _started(self, since: float, until: float) -> int:
        return bisect_right(self._starts, until) - bisect_left(self._starts, since)

    def look(self, at: float, usage: float) -> float | None:
        """Take one look at etcd.

        Args:
            at: When.
            usage: The fullest signal's value, as a share of the quota.

        Returns:
            By how much runs have filled etcd above what is allowed; None if they have not.
        """
        bounds = self.bounds
        of_runs = usage - self.others / bounds.quota
        left = self.left * bounds.write_bytes / bounds.quota
        has_plenty = bounds.target - usage - left >= bounds.plenty
        if not has_plenty:
            self._free_since = None
        elif self._free_since is None:
            self._free_since = at
        excess = of_runs - bounds.target - bounds.slack
        return excess if excess > 0 and at - self._lost_at > bounds.forgets else None

    def may_close(self, since: float) -> bool:
        """Return whether "no room" may be the answer to a review that was sent at `since`."""
        if self._disturbances or self._free_since is None:
            return True
        return since - max(self._free_since, self._calm_since) < self.bounds.settle
