"""The held decision: which document replaces it, how old it is, and what its age is called.

Theory of operation
===================

Age is time on this process's own monotonic clock since ``(epoch, sequence)`` last changed; wall
clocks of two machines are never compared. A document that comes over the subscription is new at
that moment. One that is found in the store (after a subscribe, at a refresh, by a late joiner) was
written when its expiry was set: its age is ``ttl_ms`` minus what is left.

    document            none held, or expired    held: fresh or stale
    higher order        taken                    taken
    same order          repeated                 repeated: nothing changes
    lower order         taken                    older: ignored

A writer that was fenced off may still speak, so a lower order is ignored; once the held decision
has expired nobody has written for minutes, and whatever is there now is better than nothing.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shield_common.decision import Decision


class Freshness(enum.StrEnum):
    """What a held decision's age is called."""

    NONE = "none"
    FRESH = "fresh"
    STALE = "stale"
    EXPIRED = "expired"


# A decision of such an age is in force.
CURRENT: Final = frozenset({Freshness.FRESH, Freshness.STALE})


class Acceptance(enum.StrEnum):
    """What became of a document."""

    TAKEN = "taken"
    REPEATED = "repeated"
    OLDER = "older"


@dataclass(frozen=True, slots=True)
class FreshnessLimits:
    """When a decision's age changes its name.

    Attributes:
        stale_after_ms: from here on it is stale.
        expired_after_ms: from here on it is expired.
    """

    stale_after_ms: int
    expired_after_ms: int


@dataclass(frozen=True, slots=True)
class Held:
    """A decision and since when it counts.

    Attributes:
        decision: the document.
        since_ms: when it was new, on this process's monotonic clock.
    """

    decision: Decision
    since_ms: int

    def age_ms(self, now_ms: int) -> int:
        """Return how old the decision is."""
        return max(0, now_ms - self.since_ms)


def freshness(held: Held | None, limits: FreshnessLimits, *, now_ms: int) -> Freshness:
    """Name the age of what is held."""
    if held is None:
        return Freshness.NONE
    age = held.age_ms(now_ms)
    if age >= limits.expired_after_ms:
        return Freshness.EXPIRED
    return Freshness.STALE if age >= limits.stale_after_ms else Freshness.FRESH


def accept(
    held: Held | None,
    decision: Decision,
    limits: FreshnessLimits,
    *,
    now_ms: int,
    remaining_ms: int | None = None,
) -> tuple[Held, Acceptance]:
    """Decide whether a document replaces what is held.

    Args:
        held: what is held.
        decision: the document.
        limits: when what is held has expired.
        now_ms: this process's monotonic clock.
        remaining_ms: until the document expires in the store; None if it came over the
            subscription, which means that it is new.

    Returns:
        What is held from now on, and what became of the document.
    """
    age = 0 if remaining_ms is None else max(0, decision.ttl_ms - remaining_ms)
    if held is not None and decision.order == held.decision.order:
        return held, Acceptance.REPEATED
    expired = freshness(held, limits, now_ms=now_ms) is Freshness.EXPIRED
    if held is not None and decision.order < held.decision.order and not expired:
        return held, Acceptance.OLDER
    return Held(decision, now_ms - age), Acceptance.TAKEN
