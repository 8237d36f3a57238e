"""What the evaluator knows at one moment, as the status page needs it.

Only facts belong here. How they are worded and drawn is in ``view``, ``cards`` and ``chart``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shield_evaluator.core.plan import FILE_SIGNAL, IN_USE_SIGNAL
from shield_evaluator.core.room import closed_tiers, reservation_of
from shield_evaluator.core.state import LatchState
from shield_evaluator.cycle_result import CycleOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shield_common.decision import Decision
    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.reservations import Reservation
    from shield_evaluator.core.state import Instant
    from shield_evaluator.cycle_result import CycleResult


@dataclass(frozen=True, slots=True)
class TierChange:
    """A tier started to admit or to deny.

    Attributes:
        at: when, by the evaluator's wall clock.
        tier: which tier.
        allow: True if it has admitted since then.
        reason: why, in the decision's words where it has some.
    """

    at: datetime
    tier: str
    allow: bool
    reason: str


def tier_changes(before: Decision, after: Decision) -> list[TierChange]:
    """Return the tiers whose bit differs between two consecutive decisions."""
    return [
        TierChange(entry.since, tier, entry.allow, entry.reason or _why_admitted(after, tier))
        for tier, entry in after.tiers.items()
        if tier in before.tiers and before.tiers[tier].allow is not entry.allow
    ]


def _why_admitted(decision: Decision, tier: str) -> str:
    override = decision.override
    if override is not None and override.covers(tier):
        return f"allowed by an operator: {override.reason}"
    return "no signal denies it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One evaluator at one moment.

    Attributes:
        cluster: name of the cluster whose etcd is watched.
        now: the moment.
        result: of the last cycle; None before the first.
        interval: length of a cycle, seconds.
        holder: this process's identity in the lease.
        lease_held: whether this process is the writer.
        histories: the last hour by signal; empty on a standby.
        changes: the last changes, newest first.
        redis_problem: the last error of Redis; None while it answers.
        config_problem: why the file on disk is not in force; None if it is.
        runbook_url: where docs/runbook.md is published; None leaves the links out.
    """

    cluster: str
    now: Instant
    result: CycleResult | None
    interval: float
    holder: str
    lease_held: bool
    histories: Mapping[str, History] = field(default_factory=dict)
    changes: Sequence[TierChange] = ()
    redis_problem: str | None = None
    config_problem: str | None = None
    runbook_url: str | None = None

    @property
    def decision(self) -> Decision | None:
        """The decision in force: this evaluator's own or, on a standby, the writer's."""
        return None if self.result is None else self.result.decision

    @property
    def standby(self) -> bool:
        """Whether another evaluator is the writer."""
        return self.result is not None and self.result.outcome is CycleOutcome.STANDBY

    @property
    def withheld(self) -> bool:
        """Whether this evaluator publishes nothing because it knows too little."""
        return self.result is not None and self.result.outcome is CycleOutcome.WITHHELD

    @property
    def denied_tiers(self) -> list[str]:
        """Names of the tiers that are denied."""
        decision = self.decision
        return [] if decision is None else [n for n, t in decision.tiers.items() if not t.allow]

    @property
    def blind_signals(self) -> list[str]:
        """Names of the signals that are blind."""
        decision = self.decision
        if decision is None:
            return []
        return [name for name, signal in decision.signals.items() if signal.state == "blind"]

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with the last observations, by signal."""
        if self.result is None:
            return {}
        return {
            name: observation.problem
            for name, observation in self.result.observations.items()
            if observation.problem is not None
        }

    def latch(self, tier: str, signal: str) -> LatchState:
        """Return the state of one latch."""
        latches = {} if self.result is None else self.result.state.latches
        latch = latches.get((tier, signal))
        return LatchState.UNKNOWN if latch is None else latch.state

    def reservation(self, tier: str) -> Reservation | None:
        """Return what the admitted runs of a tier are still going to write; None if unknown."""
        if self.result is None or tier not in self.result.plan.tiers:
            return None
        room = self.result.state.room
        return reservation_of(self.result.plan, room, tier, now_ms=self.now.ms)

    def expected_value(self, tier: str, signal: str) -> float | None:
        """Return a signal's value once admitted runs have written, as room of a tier counts it."""
        if self.result is None:
            return None
        room, plan = self.result.state.room, self.result.plan.tiers[tier][signal].room
        headroom, quota = room.headroom.get((tier, signal)), room.quotas.get(signal)
        if plan is None or headroom is None or quota is None:
            return None
        return plan.target - headroom / quota

    @property
    def tiers_without_room(self) -> frozenset[str]:
        """The tiers that are denied because nothing fits."""
        return frozenset() if self.result is None else closed_tiers(self.result.state.room)

    @property
    def defragmentation_reopens(self) -> bool:
        """Whether a denied tier waits for nothing but a smaller file."""
        return any(
            self.latch(tier, FILE_SIGNAL) is LatchState.SET
            and self.latch(tier, IN_USE_SIGNAL) is LatchState.RESET
            for tier in self.denied_tiers
        )
