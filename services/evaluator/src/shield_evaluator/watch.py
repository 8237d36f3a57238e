"""What one cycle goes by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched and how often; replaced as a whole when the configuration changes.

    Attributes:
        plan: for the core.
        expressions: signal -> PromQL.
        cluster: the cluster's name.
        interval: the cycle, seconds.
        budget: how long a cycle may wait for its observations, seconds.
        ttl_ms: how long a decision lives, milliseconds.
        status_url: where a person finds out more; stands in every decision.
    """

    plan: Plan
    expressions: Mapping[str, str]
    cluster: str
    interval: float
    budget: float
    ttl_ms: int
    status_url: str | None = None

    @property
    def pause_ms(self) -> int:
        """After so many milliseconds without an observation the process was paused.

        At least 10 s: a cycle that waits for a frozen store takes seconds at any interval.
        """
        return round(max(3 * self.interval, 10.0) * 1000)
