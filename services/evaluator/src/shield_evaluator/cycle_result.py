"""The result of one cycle: the fact from which metrics, status page and probes are made."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_common.decision import Decision
    from shield_common.held import HeldReport
    from shield_common.store.protocol import PublishResult
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.state import Instant, ShieldState


class CycleOutcome(enum.StrEnum):
    """How a cycle ended."""

    PUBLISHED = "published"
    STANDBY = "standby"  # another evaluator holds the lease
    WITHHELD = "withheld"  # evaluated, but a tier is undecided, see `core.decide.undecided_tiers`
    UNPUBLISHED = "unpublished"  # evaluated, but the store did not accept the decision


@dataclass(frozen=True, slots=True)
class CycleResult:
    """What one cycle observed and did.

    Attributes:
        outcome: how it ended.
        at: when it began.
        seconds: how long it took.
        plan: the configuration that it used.
        decision: its decision, None if it was withheld; on standby the last one of the writer,
            None if the store has none.
        state: the state after it; on standby that of the writer.
        observations: by signal; empty on standby.
        publish: the store's answer; None if there was none or nothing was published.
        republished: the last observations were published again because the override changed;
            nothing was observed.
        held_report: the controller's report of held runs that the cycle read; None without one,
            and on standby.
    """

    outcome: CycleOutcome
    at: Instant
    seconds: float
    plan: Plan
    decision: Decision | None
    state: ShieldState
    observations: Mapping[str, Observation] = field(default_factory=dict)
    publish: PublishResult | None = None
    republished: bool = False
    held_report: HeldReport | None = None
