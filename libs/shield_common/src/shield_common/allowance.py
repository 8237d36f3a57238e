"""How many held runs may start now.

It is in the library because two need exactly the same rules: the controller, which starts held
runs, and the evaluator's `simulate`, which runs the closed loop on the product's own rules. Nothing
here reads a clock.

Theory of operation
===================

How many may start is bounded by five things:

- a decision in force (fresh or stale): without one, nothing starts;
- the tier's allow bit;
- the tier's room. Rooms of different tiers are views of the same etcd, so a release in one tier
  counts against all of them, until a decision arrives that knows about it;
- the pace. A decision hands out a part of the room in each interval, in N equal shares: one for
  each subscriber, which are the admitters and the controller. Held runs go first: while a decision
  says that some are held, admitters admit no newcomers that may wait, and releases use all shares.

      held runs in the decision     each admitter     releases
      some                          nothing           N shares
      some, but holding stalled     1 share           1 share
      none, or not stated           1 share           1 share

  Holding is stalled while the controller's reports are missing. None are held in a decision that
  does not know of them yet, or while all of them are stuck.
- `release.max_rate`, a token bucket that holds at most what one interval brings, and at least one.

Runs whose label names no tier of the decision follow its default bit, the least room of the tiers
that admit, and the pace of one share. An operator's override that admits a tier sets its room and
pace aside, as it does for newcomers.

A decision does not know about releases that were made just before it: admitters count them within
250 ms, and the evaluator reads the counts at some time in its cycle. So releases of the last
`SETTLE_MS` before a decision arrives count against that decision too.
"""

from __future__ import annotations

from collections import deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final

from shield_common.bucket import Bucket, missed_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shield_common.decision import Decision, TierDecision

# Runs a second, `release.max_rate` unless it is set. Shares of the room are the brake; this bounds
# the requests to the API server.
DEFAULT_MAX_RATE: Final = 5.0
# Four times the 250 ms in which an admitter counts, which leaves time for the evaluator's cycle.
SETTLE_MS: Final = 1_000
MINUTES: Final = 5  # over which the rate of releases is averaged
_WINDOW_MS: Final = MINUTES * 60_000
_UNKNOWN_TIERS: Final = ""  # stands for all tiers that the decision does not have


class Allowance:
    """How many runs may still be released: the decision's bits, rooms and shares, and the rate.

    Attributes:
        releases: releases of the last minutes, oldest first, as (time in ms, tier).
    """

    def __init__(self, *, rate: float, interval: float, now_ms: int) -> None:
        """Begin with as many tokens as one interval brings.

        Args:
            rate: the most runs per second.
            interval: seconds between two rounds.
            now_ms: a monotonic clock.
        """
        self._set(rate, interval)
        self._tokens = self._capacity
        self._now_ms = now_ms
        self._decision: Decision | None = None
        self._known_since_ms = now_ms
        self._buckets: dict[str, Bucket] = {}
        self.releases: deque[tuple[int, str]] = deque()

    def apply_settings(self, *, rate: float, interval: float) -> None:
        """Use a new rate; tokens beyond its capacity are lost."""
        self._set(rate, interval)
        self._tokens = min(self._tokens, self._capacity)

    def follow(self, decision: Decision | None, *, since_ms: int) -> None:
        """Follow a decision; any number of calls with the same one grant its shares once.

        Args:
            decision: the one in force; None if none is.
            since_ms: when it was new, on the clock of `tick`.
        """
        self._decision = decision
        self._known_since_ms = since_ms
        self._grant()

    def tick(self, now_ms: int) -> None:
        """Move on to an instant: add tokens, and forget releases that no longer matter."""
        elapsed = max(0, now_ms - self._now_ms) / 1000
        self._tokens = min(self._capacity, self._tokens + elapsed * self._rate)
        self._now_ms = now_ms
        self._grant()
        while self.releases and self.releases[0][0] < now_ms - _WINDOW_MS:
            self.releases.popleft()

    @property
    def has_token(self) -> bool:
        """Whether the rate lets one more run start now."""
        return self._tokens >= 1

    def permits(self, tier: str) -> bool:
        """Return whether one more run of a tier may start now."""
        decision = self._decision
        if decision is None or not self.has_token:
            return False
        entry = decision.tiers.get(tier)
        if not (decision.allow if entry is None else entry.allow):
            return False
        override = decision.override
        if override is not None and override.allow and override.covers(tier):
            return True
        return self._fits(decision, entry) and self._is_in_pace(decision, tier)

    def take(self) -> None:
        """Use one token, for an attempt."""
        self._tokens -= 1

    def count(self, tier: str, *, now_ms: int) -> None:
        """Count a release, or an attempt that may have been one, against every tier's room."""
        self.releases.append((now_ms, tier))
        for bucket in self._buckets.values():
            bucket.take()

    def per_minute(self, tier: str) -> float:
        """Return the mean rate of a tier's releases over the last `MINUTES`."""
        return sum(released == tier for _, released in self.releases) / MINUTES

    def _fits(self, decision: Decision, entry: TierDecision | None) -> bool:
        """Return whether there is room for one more run."""
        entries = _admitting(decision) if entry is None else (entry,)
        rooms = [known.room for known in entries if known.room is not None]
        return min(rooms, default=float("inf")) - self._spent() >= 1

    def _is_in_pace(self, decision: Decision, tier: str) -> bool:
        """Return whether the shares permit one more run; always where nothing is paced."""
        bucket = self._buckets.get(tier if tier in decision.tiers else _UNKNOWN_TIERS)
        return bucket is None or bucket.has_run

    def _grant(self) -> None:
        """Grant the shares that are due by now; forget the tiers that are not paced."""
        granted = {}
        if self._decision is not None:
            age_ms = self._now_ms - self._known_since_ms
            missed = missed_intervals(self._decision, age_ms=age_ms)
            for tier, entry, shares in _portions(self._decision):
                granted[tier] = self._buckets.get(tier) or Bucket()
                granted[tier].grant(self._decision, entry, shares=shares, missed_intervals=missed)
        self._buckets = granted

    def _spent(self) -> int:
        since = self._known_since_ms - SETTLE_MS
        return sum(1 for _ in takewhile(lambda each: each[0] >= since, reversed(self.releases)))

    def _set(self, rate: float, interval: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate * interval)


def _portions(decision: Decision) -> Iterator[tuple[str, TierDecision, float]]:
    """Yield each paced tier, its entry, and how many of its shares releases may use."""
    for tier, entry in decision.tiers.items():
        if entry.share is not None:
            yield tier, entry, _shares(decision, entry)
    paced = [entry for entry in _admitting(decision) if entry.share is not None]
    if paced:
        yield _UNKNOWN_TIERS, min(paced, key=lambda entry: entry.share or 0.0), 1.0


def _shares(decision: Decision, entry: TierDecision) -> float:
    """Return how many shares of a tier releases may use; see the table above."""
    hold = entry.hold
    is_queue = hold is not None and hold.held > 0 and not hold.stalled
    return float(decision.admitters or 1) if is_queue else 1.0


def _admitting(decision: Decision) -> list[TierDecision]:
    return [entry for entry in decision.tiers.values() if entry.allow]
