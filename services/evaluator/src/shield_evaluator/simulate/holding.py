"""Held runs of a simulation: the controller, without an API server.

How many runs may be held is the evaluator's own computation (`core.slots`). The controller is
another service, so its order is repeated here as far as simulated runs have what it depends on:
the tier's priority, then age. They have no namespaces that could take turns.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from shield_common.held import HeldReport, TierReport
from shield_evaluator.core.slots import HeldReading

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from shield_common.decision import Decision
    from shield_evaluator.simulate.clients import Request

# The controller's default, `release.max_rate`: runs a second.
MAX_RATE: Final = 1.0
# Over which it reports the rate of releases, as the controller does.
_RATE_SECONDS: Final = 300


class HeldRuns:
    """The held runs of all tiers, and how often each tier held and released one."""

    def __init__(self, tiers: Iterable[str]) -> None:
        self._queues: dict[str, deque[Request]] = {tier: deque() for tier in tiers}
        self._released: dict[str, deque[int]] = {tier: deque() for tier in self._queues}
        self._tokens = 0.0
        self.counted = dict.fromkeys(self._queues, 0)

    def hold(self, request: Request) -> None:
        """Let a run wait."""
        self._queues[request.tier].append(request)
        self.counted[request.tier] += 1

    def waiting(self, tier: str) -> int:
        """Return how many runs of a tier are held."""
        return len(self._queues[tier])

    def report(self, at: datetime, second: int) -> HeldReading:
        """Return what the evaluator learns in a cycle."""
        for released in self._released.values():
            while released and released[0] <= second - _RATE_SECONDS:
                released.popleft()
        tiers = {
            tier: TierReport(
                held=len(queue),
                released_per_minute=len(self._released[tier]) / _RATE_SECONDS * 60,
                counted=self.counted[tier],
            )
            for tier, queue in self._queues.items()
        }
        report = HeldReport(reported_at=at, tiers=tiers)
        return HeldReading(report=report, is_read=True, counted=dict(self.counted))

    def release(self, decision: Decision, second: int, seconds: int) -> list[Request]:
        """Return the runs that start now, in order.

        Args:
            decision: the decision in force.
            second: when.
            seconds: since the last round.
        """
        # As much as one interval brings, and at least one run.
        self._tokens = min(self._tokens + MAX_RATE * seconds, max(1.0, MAX_RATE * seconds))
        started: list[Request] = []
        for tier in sorted(self._queues, key=lambda name: (decision.tiers[name].priority, name)):
            entry, queue = decision.tiers[tier], self._queues[tier]
            # Rooms of different tiers are views of the same etcd.
            while (
                queue
                and entry.allow
                and self._tokens >= 1
                and (entry.room is None or entry.room - len(started) >= 1)
            ):
                started.append(queue.popleft())
                self._released[tier].append(second)
                self._tokens -= 1
        return started
