"""Pacing: what this admitter may still hand out of the room, by tier.

The evaluator computes room and shares (theory in its `core.room`); here a decision's
share becomes permission for single runs. A tier whose decision carries no share is not paced: the
evaluator is older, has no run cost, or an operator overrides the tier.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from shield_common.bucket import WHOLE_RUN, Bucket, missed_intervals

if TYPE_CHECKING:
    from shield_common.decision import Decision
    from shield_common.decision_age import CachedDecision

MAX_WAIT_SECONDS: Final = 60  # nothing is known about the room in more than a minute
_MINUTE_MS: Final = 60_000


class Pacing:
    """The buckets of all tiers that a decision hands out room for."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def grant(self, decision: Decision) -> None:
        """Grant the shares of a new decision; forget the tiers that it does not pace."""
        self._buckets = {
            tier: self._buckets.get(tier) or Bucket()
            for tier, entry in decision.tiers.items()
            if entry.share is not None
        }
        for tier, bucket in self._buckets.items():
            bucket.grant(decision, decision.tiers[tier])

    def take(self, tier: str) -> None:
        """Use up room for one run, which was admitted."""
        bucket = self._buckets.get(tier)
        if bucket is not None:
            bucket.take()

    def wait_seconds(self, tier: str, cached: CachedDecision, *, now_ms: int) -> float | None:
        """Return how long a run has to wait for room if no other run takes it first.

        While decisions stay away, this grants the last share again for each interval that has
        passed.

        Args:
            tier: a request's tier.
            cached: the decision in force.
            now_ms: this process's monotonic clock.

        Returns:
            Seconds, at most `MAX_WAIT_SECONDS`; None if there is room or the tier is not paced.
        """
        decision = cached.decision
        entry, bucket = decision.tiers.get(tier), self._buckets.get(tier)
        if entry is None or bucket is None:
            return None
        age_ms = now_ms - cached.since_ms
        # The share of the first interval was granted when the decision came, and the next decision
        # may be late by one.
        if age_ms >= (2 + bucket.missed_intervals) * decision.interval_ms:
            missed = missed_intervals(decision, age_ms=age_ms)
            bucket.grant(decision, entry, missed_intervals=missed)
        if bucket.has_run:
            return None
        if not entry.share:
            return MAX_WAIT_SECONDS
        intervals = (WHOLE_RUN - bucket.tokens) / entry.share
        return min(MAX_WAIT_SECONDS, intervals * decision.interval_ms / 1000)


def retry_seconds(wait: float, random: float) -> int:
    """Return whole seconds after which a paced client should try again.

    Args:
        wait: seconds until there is room for one run.
        random: a random number from 0 to 1; clients with the same wait spread out.
    """
    return max(1, math.ceil(wait * (0.5 + random)))


def runs_per_minute(decision: Decision, tier: str) -> float:
    """Return how many runs of a tier all admitters together admit in a minute."""
    entry = decision.tiers.get(tier)
    if entry is None or entry.share is None:
        return 0.0
    return entry.share * (decision.admitters or 1) * _MINUTE_MS / decision.interval_ms
