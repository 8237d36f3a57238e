"""The order in which held runs start, and how many of them may start now.

Theory of operation
===================

Held runs wait in one queue. Its order is the tier's priority, then the namespace that was served
least, then age:

    key of a run = (priority of its tier, served(tier, namespace) + rank, created)

``rank`` counts the older held runs of the same tier and namespace. Sorting by this key gives the
same order as taking runs one after the other and counting each for its namespace, so a namespace
with 500 held runs and one with 2 take turns.

``served`` counts releases. A namespace that had no held run starts with the lowest count of its
tier's namespaces, so it does not catch up on turns from before.

How many may start is bounded by four things:

- a decision in force (fresh or stale): without one, nothing starts;
- the tier's allow bit;
- the tier's room. Rooms of different tiers are views of the same etcd, so a release in one tier
  counts against all of them, until a decision arrives that knows about it;
- `release.max_rate`, a token bucket that holds at most what one interval brings, and at least one.

A decision does not know about releases that were made just before it: admitters count them within
250 ms, and the evaluator reads the counts at some time in its cycle. So releases of the last
`SETTLE_MS` before a decision arrives count against that decision too.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import takewhile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from shield_common.decision import Decision, TierDecision
    from shield_controller.core.runs import HeldRun

# Four times the 250 ms in which an admitter counts, which leaves time for the evaluator's cycle.
SETTLE_MS: Final = 1_000
# A tier that the decision does not have comes last: nothing is known about its room.
LAST_PRIORITY: Final = 2**53
MINUTES: Final = 5  # over which the rate of releases is averaged
_WINDOW_MS: Final = MINUTES * 60_000

TierNamespace = tuple[str, str]


class Served:
    """How many runs each namespace of each tier got started while it had runs waiting."""

    def __init__(self) -> None:
        self._counts: dict[TierNamespace, int] = {}

    def update(self, runs: Iterable[HeldRun]) -> None:
        """Forget namespaces without held runs, and let new ones begin level with the others."""
        waiting = {(run.tier, run.namespace) for run in runs}
        known = {key: count for key, count in self._counts.items() if key in waiting}
        least: dict[str, int] = {}
        for (tier, _), count in known.items():
            least[tier] = min(count, least.get(tier, count))
        self._counts = {key: known.get(key, least.get(key[0], 0)) for key in waiting}

    def count(self, run: HeldRun) -> None:
        """Count a release."""
        key = (run.tier, run.namespace)
        self._counts[key] = self._counts.get(key, 0) + 1

    def of(self, tier: str, namespace: str) -> int:
        """Return the count of a namespace."""
        return self._counts.get((tier, namespace), 0)


def in_order(
    runs: Iterable[HeldRun], served: Served, priorities: Mapping[str, int]
) -> list[HeldRun]:
    """Return the runs in the order in which they start.

    Args:
        runs: held runs in any order.
        served: what each namespace got so far.
        priorities: tier -> 0 for the first; tiers that are missing come last.
    """
    ranks: Counter[TierNamespace] = Counter()
    keyed = []
    for run in sorted(runs, key=lambda run: run.age_order):
        key = (run.tier, run.namespace)
        turn = served.of(*key) + ranks[key]
        ranks[key] += 1
        priority = priorities.get(run.tier, LAST_PRIORITY)
        keyed.append(((priority, run.tier, turn, *run.age_order), run))
    return [run for _, run in sorted(keyed, key=lambda item: item[0])]


def priorities_of(decision: Decision | None) -> dict[str, int]:
    """Return the priority of every tier; empty without a decision."""
    if decision is None:
        return {}
    return {name: tier.priority for name, tier in decision.tiers.items()}


def wait_seconds(position: int, per_minute: float) -> float | None:
    """Return how long a run is expected to wait; None if nothing was released for minutes.

    Args:
        position: of the run in its tier, from 1.
        per_minute: the tier's rate of releases.
    """
    return position / per_minute * 60 if per_minute > 0 else None


class Allowance:
    """How many runs may still be released: the decision's bits and rooms, and the rate.

    Attributes:
        releases: releases of the last minutes, oldest first, as (time in ms, tier).
    """

    def __init__(self, *, rate: float, interval: float, now_ms: int) -> None:
        """Begin with a full bucket.

        Args:
            rate: the most runs per second.
            interval: seconds between two rounds.
            now_ms: a monotonic clock.
        """
        self._set(rate, interval)
        self._tokens = self._capacity
        self._filled_ms = now_ms
        self._decision: Decision | None = None
        self._known_since_ms = now_ms
        self.releases: deque[tuple[int, str]] = deque()

    def apply_settings(self, *, rate: float, interval: float) -> None:
        """Use a new rate; tokens beyond its capacity are lost."""
        self._set(rate, interval)
        self._tokens = min(self._tokens, self._capacity)

    def accept(self, decision: Decision | None, *, since_ms: int) -> None:
        """Follow a decision.

        Args:
            decision: the one in force; None if none is.
            since_ms: when it was new, on the clock of `tick`.
        """
        self._decision = decision
        self._known_since_ms = since_ms

    def tick(self, now_ms: int) -> None:
        """Fill the bucket, and forget releases that no longer matter."""
        elapsed = max(0, now_ms - self._filled_ms) / 1000
        self._tokens = min(self._capacity, self._tokens + elapsed * self._rate)
        self._filled_ms = now_ms
        while self.releases and self.releases[0][0] < now_ms - _WINDOW_MS:
            self.releases.popleft()

    @property
    def has_token(self) -> bool:
        """Whether the rate lets one more run start now."""
        return self._tokens >= 1

    def permits(self, tier: str) -> bool:
        """Return whether one more run of a tier may start now."""
        return self.has_token and self.room(tier) >= 1

    def room(self, tier: str) -> float:
        """Return how many runs of a tier may still start under this decision, rate aside."""
        decision = self._decision
        if decision is None:
            return 0.0
        known: TierDecision | None = decision.tiers.get(tier)
        if known is None:
            return float("inf") if decision.allow else 0.0
        if not known.allow:
            return 0.0
        return float("inf") if known.room is None else known.room - self._spent()

    def take(self) -> None:
        """Use one token, for an attempt."""
        self._tokens -= 1

    def count(self, tier: str, *, now_ms: int) -> None:
        """Count a release, or an attempt that may have been one, against the room."""
        self.releases.append((now_ms, tier))

    def per_minute(self, tier: str) -> float:
        """Return the mean rate of a tier's releases over the last `MINUTES`."""
        return sum(released == tier for _, released in self.releases) / MINUTES

    def _spent(self) -> int:
        since = self._known_since_ms - SETTLE_MS
        return sum(1 for _ in takewhile(lambda each: each[0] >= since, reversed(self.releases)))

    def _set(self, rate: float, interval: float) -> None:
        self._rate = rate
        self._capacity = max(1.0, rate * interval)
