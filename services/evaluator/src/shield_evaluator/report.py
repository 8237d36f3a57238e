"""What one cycle saw and did: the fact that metrics, the status page and probes are made from."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_common.decision import Decision
    from shield_common.store.protocol import PublishResult
    from shield_evaluator.core.latch import Instant, ShieldState
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan


class Outcome(enum.StrEnum):
    """How a cycle ended."""

    PUBLISHED = "published"
    STANDBY = "standby"  # another evaluator is the writer
    UNPUBLISHED = "unpublished"  # evaluated, but the store did not take it


@dataclass(frozen=True, slots=True)
class Report:
    """What one cycle saw and did.

    Attributes:
        outcome: how it ended.
        at: when it began.
        seconds: how long it took.
        plan: what it went by.
        decision: what it decided; on standby what the writer published last, None if the store
            has nothing.
        state: the state after it; on standby the writer's.
        observations: by signal; empty on standby.
        publish: the store's answer; None when it gave none or was not asked.
        again: nothing was observed, the last observations were published again because the
            override changed.
    """

    outcome: Outcome
    at: Instant
    seconds: float
    plan: Plan
    decision: Decision | None
    state: ShieldState
    observations: Mapping[str, Observation] = field(default_factory=dict)
    publish: PublishResult | None = None
    again: bool = False
