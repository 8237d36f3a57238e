"""The cached decision: which document replaces it, and how fresh it is.

Theory of operation
===================

Age is time on this process's own monotonic clock since ``(epoch, sequence)`` last changed; wall
clocks of two machines are never compared. A document that arrives over the subscription is new at
that moment. A document that is read from the store (after a subscribe, at a refresh, by a late
joiner) was written when its expiry was set, so its age is ``ttl_ms`` minus the remaining time.

    document         nothing cached, or expired    cached: fresh or stale
    higher order     accepted                      accepted
    same order       repeated                      repeated: nothing changes
    lower order      accepted                      older: ignored

A writer that has lost its lease may still publish, so a lower order is ignored. Once the cached
decision has expired there has been no newer document for minutes, and any decision is better than
none.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shield_common.decision import Decision


class Freshness(enum.StrEnum):
    """How old a cached decision is, in one word."""

    NONE = "none"
    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"

    @property
    def in_force(self) -> bool:
        """Whether a decision of this freshness is followed."""
        return self is _FRESH or self is _STALE


# On Python 3.11 an enum's member takes 1 µs when it is looked up in its class, 20 ns as a global.
_NONE, _FRESH, _STALE, _EXPIRED = Freshness


class Acceptance(enum.StrEnum):
    """The result of offering a document to the cache."""

    TAKEN = "taken"
    REPEATED = "repeated"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """The ages at which a decision becomes stale and expired.

    Attributes:
        stale_after_ms: stale from here on.
        expired_after_ms: expired from here on.
    """

    stale_after_ms: int
    expired_after_ms: int


@dataclass(frozen=True, slots=True)
class CachedDecision:
    """A decision and the moment from which its age counts.

    Attributes:
        decision: the document.
        since_ms: when it was new, on this process's monotonic clock.
    """

    decision: Decision
    since_ms: int

    def age_ms(self, now_ms: int) -> int:
        """Return the age of the decision."""
        return max(0, now_ms - self.since_ms)


def freshness(cached: CachedDecision | None, limits: FreshnessLimits, *, now_ms: int) -> Freshness:
    """Return how fresh the cached decision is."""
    if cached is None:
        return _NONE
    age = now_ms - cached.since_ms
    if age >= limits.expired_after_ms:
        return _EXPIRED
    return _STALE if age >= limits.stale_after_ms else _FRESH


def accept(
    cached: CachedDecision | None,
    decision: Decision,
    limits: FreshnessLimits,
    *,
    now_ms: int,
    remaining_ms: int | None = None,
) -> tuple[CachedDecision, Acceptance]:
    """Decide whether a document replaces the cached decision.

    Args:
        cached: the cached decision.
        decision: the document.
        limits: when the cached decision has expired.
        now_ms: this process's monotonic clock.
        remaining_ms: until the document expires in the store; None if it arrived over the
            subscription, which means that it is new.

    Returns:
        The decision to cache from now on, and whether that is the document.
    """
    age = 0 if remaining_ms is None else max(0, decision.ttl_ms - remaining_ms)
    if cached is not None and decision.order == cached.decision.order:
        return cached, Acceptance.REPEATED
    expired = freshness(cached, limits, now_ms=now_ms) is _EXPIRED
    if cached is not None and decision.order < cached.decision.order and not expired:
        return cached, Acceptance.OLDER
    return CachedDecision(decision, now_ms - age), Acceptance.TAKEN
