"""Slots: how many runs this admitter may still hold, and how recently a tier closed.

The evaluator counts held runs and publishes how many more may be held. All tiers use up the same
slots, so there is one number for all of them. Unlike room, a share is not granted again while
decisions stay away, and what was not used does not add up.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from shield_common.bucket import WHOLE_RUN

if TYPE_CHECKING:
    from datetime import datetime

    from shield_common.decision import Decision, TierHold

# A request comes to /mutate, then through the cluster's other webhooks to /validate, mostly within
# milliseconds. A run that was admitted at the first must not be lost at the second because the
# tier closed between the two calls, or because another admitter has the newer decision already.
MUTATE_TO_VALIDATE_MS: Final = 2_000


class Slots:
    """The slots that the last decision leaves to this admitter."""

    def __init__(self) -> None:
        self._left = 0.0
        self._taken: Counter[str] = Counter()
        self._evaluated_at: datetime | None = None
        self._denying_since: dict[str, int] = {}
        self._full_since: dict[str, int] = {}

    def grant(self, decision: Decision, *, now_ms: int, unflushed: int) -> None:
        """Grant the share of a new decision.

        The evaluator may not have counted the runs that were held since the last grant, so they are
        subtracted from the share. A decision that repeats an evaluation (an override was set)
        grants nothing.

        So within an interval all admitters together hold no more than the slots. Over several
        intervals they may exceed the slots by what one of them held in the moment before the
        evaluator read the counters.

        Args:
            decision: the decision, which is in force from now on.
            now_ms: this process's monotonic clock.
            unflushed: held runs that the store's counters lack.
        """
        holds = {
            tier: entry.hold for tier, entry in decision.tiers.items() if entry.hold is not None
        }
        # Assume that the first decision's state is older than this admitter.
        first = self._evaluated_at is None
        since_ms = now_ms - MUTATE_TO_VALIDATE_MS if first else now_ms
        self._denying_since = {
            tier: self._denying_since.get(tier, since_ms)
            for tier, entry in decision.tiers.items()
            if not entry.allow
        }
        self._full_since = {
            tier: self._full_since.get(tier, since_ms) for tier, hold in holds.items() if hold.full
        }
        share = min((hold.share for hold in holds.values()), default=0.0)
        if decision.evaluated_at == self._evaluated_at:
            self._left = min(self._left, share)
            return
        self._evaluated_at = decision.evaluated_at
        self._left = max(0.0, share - max(self._taken.total(), unflushed))
        self._taken.clear()

    @property
    def has_slot(self) -> bool:
        """Whether one more run may be held."""
        return self._left >= WHOLE_RUN

    def take(self, tier: str) -> None:
        """Use up a slot for a run that is held."""
        self._left = max(0.0, self._left - WHOLE_RUN)
        self._taken[tier] += 1

    def position(self, tier: str, hold: TierHold | None, *, joins: bool) -> int:
        """Return about which number in a tier's queue a run has, from 1.

        Args:
            tier: whose queue it is.
            hold: what the decision says of the runs that the tier holds; None if nothing.
            joins: whether the run joins the queue now; otherwise it is taken for its last one.
        """
        held = 0 if hold is None else hold.held
        return max(1, held + self._taken[tier] + joins)

    def may_have_been_open(self, tier: str, *, now_ms: int) -> bool:
        """Whether a tier may have been open when a request passed /mutate."""
        since = self._denying_since.get(tier)
        return since is None or now_ms - since < MUTATE_TO_VALIDATE_MS

    def has_stayed_full(self, tier: str, *, now_ms: int) -> bool:
        """Whether newcomers have been denied for longer than a request takes between webhooks."""
        since = self._full_since.get(tier)
        return since is not None and now_ms - since >= MUTATE_TO_VALIDATE_MS
