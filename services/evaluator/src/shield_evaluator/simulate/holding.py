"""Held runs of a simulation: the controller, without an API server.

How many runs may be held is the evaluator's own computation (`core.holding`), and how many may
start is the controller's own (`shield_common.allowance`). The order is the controller's as well,
repeated here as far as simulated runs have what it depends on: the tier's priority, then age. They
have no namespaces that could take turns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from shield_common.allowance import DEFAULT_MAX_RATE, Allowance
from shield_common.held import HeldReport, TierReport
from shield_evaluator.core.holding import HeldReading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shield_common.decision import Decision
    from shield_evaluator.simulate.clients import RunRequest


class HeldQueues:
    """The held runs of all tiers, and how often each tier held and released one.

    Attributes:
        counted: tier -> runs held in total: the counters that admitters keep in Redis.
        most: the most runs that were held at the same time, in all tiers together.
    """

    def __init__(self, tiers: Iterable[str], *, interval: int) -> None:
        """Hold nothing yet.

        Args:
            tiers: the tiers of the configuration.
            interval: seconds between two rounds of releases.
        """
        self._queues: dict[str, deque[RunRequest]] = {tier: deque() for tier in tiers}
        self._allowance = Allowance(rate=DEFAULT_MAX_RATE, interval=interval, now_ms=0)
        self.counted = dict.fromkeys(self._queues, 0)
        self.most = 0

    def hold(self, request: RunRequest) -> None:
        """Let a run wait."""
        self._queues[request.tier].append(request)
        self.counted[request.tier] += 1
        self.most = max(self.most, sum(map(len, self._queues.values())))

    def waiting(self, tier: str) -> int:
        """Return how many runs of a tier are held."""
        return len(self._queues[tier])

    def report(self, at: datetime) -> HeldReading:
        """Return what the evaluator learns in a cycle."""
        tiers = {
            tier: TierReport(
                held=len(queue),
                released_per_minute=self._allowance.per_minute(tier),
                counted=self.counted[tier],
            )
            for tier, queue in self._queues.items()
        }
        report = HeldReport(reported_at=at, tiers=tiers)
        return HeldReading(report=report, store_answered=True, held_totals=dict(self.counted))

    def release(self, decision: Decision, second: int) -> list[RunRequest]:
        """Return the runs that start now, in order.

        Args:
            decision: the decision in force, which is new.
            second: when; rounds come in order.
        """
        allowance, now_ms = self._allowance, second * 1000
        allowance.tick(now_ms)
        allowance.follow(decision, since_ms=now_ms)
        started: list[RunRequest] = []
        for tier in sorted(self._queues, key=lambda name: (decision.tiers[name].priority, name)):
            queue = self._queues[tier]
            while queue and allowance.permits(tier):
                started.append(queue.popleft())
                allowance.take()
                allowance.count(tier, now_ms=now_ms)
        return started
