"""How many of the runs that were created the default tier would have refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shield_evaluator.core.room import room_of

if TYPE_CHECKING:
    from shield_evaluator.backtest.replay import Step
    from shield_evaluator.core.plan import Plan


class RefusedRuns:
    """Runs that were created while the tier would have denied, or faster than it hands out room.

    The past does not change: what would have been refused was created and goes on writing, so that
    both counts are the most that it could have been.

    Attributes:
        denied: while it would have denied; None until a step says how many were created.
        paced: faster than room would have been handed out; None without room.
    """

    def __init__(self, plan: Plan, step_ms: int) -> None:
        self._plan = plan
        self._step_ms = step_ms
        self.denied: int | None = None
        self.paced: int | None = None

    def see(self, step: Step) -> None:
        """Count one step; they come in order of time."""
        if step.created is None:
            return
        tier = self._plan.default_tier
        allow = step.state.tiers[tier].allow
        self.denied = (self.denied or 0) + (0 if allow else step.created)
        room = room_of(self._plan, step.state.room, tier)
        if room is None:
            return
        # What was created in this step has been taken from the room already.
        before = room.runs + step.created
        share = max(1.0, before * min(1.0, self._step_ms / room.spend_ms))
        self.paced = (self.paced or 0) + (max(0, step.created - int(share)) if allow else 0)
