"""All that the status page is made from, taken at one moment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.latch import LatchState
from shield_evaluator.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shield_common.decision import Decision
    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.latch import Instant
    from shield_evaluator.report import Report

# The signals of the documentation; with other names the page gives no advice to defragment.
FILE_SIGNAL: Final = "db-file"
IN_USE_SIGNAL: Final = "db-in-use"


@dataclass(frozen=True, slots=True)
class Change:
    """A tier began to admit or to deny.

    Attributes:
        at: when, by the evaluator's wall clock.
        tier: which.
        allow: what it does since.
        reason: why, in the decision's words where it has some.
    """

    at: datetime
    tier: str
    allow: bool
    reason: str


def changes(before: Decision, after: Decision) -> list[Change]:
    """Return which tiers began to admit or to deny from one decision to the next."""
    return [
        Change(entry.since, tier, entry.allow, entry.reason or _why_admitted(after, tier))
        for tier, entry in after.tiers.items()
        if tier in before.tiers and before.tiers[tier].allow is not entry.allow
    ]


def _why_admitted(decision: Decision, tier: str) -> str:
    override = decision.override
    if override is not None and override.covers(tier):
        return f"allowed by an operator: {override.reason}"
    return "no signal denies it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """One moment of one evaluator.

    Attributes:
        cluster: whose etcd it is.
        now: the moment.
        report: of the last cycle; None before the first.
        histories: the last hour, by signal; empty on standby.
        changes: the last ones, newest first.
        interval: of the cycle, seconds.
        holder: this process's identity.
        lease_held: whether it is the writer.
        redis: what Redis last failed with; None while it answers.
        configuration: what is wrong with the file on disk; None if it is in force.
        runbook_url: where docs/runbook.md is published; None if that is not configured.
    """

    cluster: str
    now: Instant
    report: Report | None
    interval: float
    holder: str
    lease_held: bool
    histories: Mapping[str, History] = field(default_factory=dict)
    changes: Sequence[Change] = ()
    redis: str | None = None
    configuration: str | None = None
    runbook_url: str | None = None

    @property
    def decision(self) -> Decision | None:
        """The decision in force, this evaluator's own or, on standby, the writer's."""
        return None if self.report is None else self.report.decision

    @property
    def standby(self) -> bool:
        """Whether another evaluator is the writer."""
        return self.report is not None and self.report.outcome is Outcome.STANDBY

    @property
    def denied(self) -> list[str]:
        """The tiers that are denied."""
        decision = self.decision
        return [] if decision is None else [n for n, t in decision.tiers.items() if not t.allow]

    @property
    def blind(self) -> list[str]:
        """The signals that are blind."""
        decision = self.decision
        return (
            []
            if decision is None
            else [n for n, s in decision.signals.items() if s.state == "blind"]
        )

    @property
    def unusable(self) -> dict[str, str]:
        """What is wrong with the last observations, by signal."""
        if self.report is None:
            return {}
        return {
            name: seen.problem
            for name, seen in self.report.observations.items()
            if seen.problem is not None
        }

    def latch(self, tier: str, signal: str) -> LatchState:
        """Return where a latch is."""
        latches = {} if self.report is None else self.report.state.latches
        latch = latches.get((tier, signal))
        return LatchState.UNKNOWN if latch is None else latch.state

    @property
    def only_the_file_denies(self) -> bool:
        """Whether some tier waits for nothing but a defragmentation."""
        return any(
            self.latch(tier, FILE_SIGNAL) is LatchState.SET
            and self.latch(tier, IN_USE_SIGNAL) is LatchState.RESET
            for tier in self.denied
        )
