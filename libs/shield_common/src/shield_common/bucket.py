"""The token bucket by which an admitter, or the controller, keeps to its shares of the room.

It is in the library because all three services need exactly the same one: admitters, the controller
(`shield_common.allowance`), and the evaluator's `simulate`, which runs the closed loop on the
product's own rules. Nothing here reads a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shield_common.decision import Decision, TierDecision

WHOLE_RUN = 1.0  # tokens that one admission takes


class Bucket:
    """Runs that one admitter may still admit in one tier, or the controller release.

    A decision grants its share once, and holds no more than one share (one run, if that is less),
    so that what was not used does not add up to a burst. A new bucket starts with one run, as if it
    had existed before, unless its owner's part of the room is less than that: another admitter may
    have used it. While decisions stay away, the last one goes on granting a share per interval
    until its part of the room is used: a restart of the evaluator stops no run, and nothing is
    admitted beyond the room.

    Attributes:
        tokens: how many runs may be admitted now; a fraction is not enough for one.
        missed_intervals: for how many of these the last decision has granted a share again.
    """

    __slots__ = ("_granted", "_order", "missed_intervals", "tokens")

    def __init__(self) -> None:
        self.tokens = 0.0
        self.missed_intervals = 0
        self._order: tuple[int, int] | None = None
        self._granted = 0.0

    def grant(
        self,
        decision: Decision,
        entry: TierDecision,
        *,
        shares: float = 1.0,
        missed_intervals: int = 0,
    ) -> None:
        """Grant the owner's shares of a decision; any number of calls grant them once.

        Args:
            decision: the decision in force.
            entry: its entry for the bucket's tier; without a ``share`` nothing is granted.
            shares: how many shares the owner may use; an admitter has one.
            missed_intervals: how many further decisions should have come since this one.
        """
        if entry.share is not None:
            self.fill(
                entry.share * shares,
                order=decision.order,
                total=(entry.room or 0.0) * shares / (decision.admitters or 1),
                missed_intervals=missed_intervals,
            )

    def fill(
        self, share: float, *, order: tuple[int, int], total: float, missed_intervals: int
    ) -> None:
        """Grant what is due under a decision; any number of calls grant it once.

        Args:
            share: runs that the decision lets this admitter admit per interval.
            order: epoch and sequence of the decision.
            total: this admitter's part of the room: the most that one decision may grant.
            missed_intervals: how many further decisions should have come since this one.
        """
        if self._order is None and total >= WHOLE_RUN:
            self.tokens = WHOLE_RUN
        if order != self._order:
            self._order, self._granted = order, 0.0
        due = min(share * (1 + missed_intervals), max(share, total))
        self.tokens = min(max(WHOLE_RUN, share), self.tokens + max(0.0, due - self._granted))
        self._granted = max(self._granted, due)
        self.missed_intervals = missed_intervals

    @property
    def has_run(self) -> bool:
        """Whether one more run may be admitted."""
        return self.tokens >= WHOLE_RUN

    def take(self) -> None:
        """Use one run's token; a run that is admitted without one leaves a debt of at most one."""
        self.tokens = max(-WHOLE_RUN, self.tokens - WHOLE_RUN)


def missed_intervals(decision: Decision, *, age_ms: int) -> int:
    """Return how many decisions should have come since this one.

    One that is late by less than an interval is not missed yet: it may be on its way.
    """
    return max(0, age_ms // decision.interval_ms - 1)
