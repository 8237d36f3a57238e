"""Configuration snapshot used by one cycle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.prometheus.source import SignalQuery
    from shield_evaluator.settings import EvaluatorSettings

# A cycle that waits for a frozen store takes seconds at any interval; less is no pause.
MIN_PAUSE_SECONDS: Final = 10.0
PAUSE_INTERVALS: Final = 3


@dataclass(frozen=True, slots=True)
class ConfigSnapshot:
    """The configuration that one cycle uses; a reload replaces it as a whole.

    Attributes:
        plan: signals, thresholds and tiers.
        queries: what Prometheus is asked, by signal.
        cluster: the cluster's name.
        interval: length of a cycle, seconds.
        budget: how long a cycle may wait for its observations, seconds.
        ttl_ms: lifetime of a decision, milliseconds.
        status_url: the status page's address, published in every decision.
        admitters: how many admitters share the room; None if they are to be counted.
    """

    plan: Plan
    queries: Mapping[str, SignalQuery]
    cluster: str
    interval: float
    budget: float
    ttl_ms: int
    status_url: str | None = None
    admitters: int | None = None

    @classmethod
    def of(cls, settings: EvaluatorSettings) -> ConfigSnapshot:
        """Return the snapshot of validated settings."""
        return cls(
            plan=settings.plan(),
            queries=settings.queries(),
            cluster=settings.cluster,
            interval=settings.interval,
            budget=settings.query_timeout,
            ttl_ms=settings.ttl.milliseconds,
            status_url=settings.status_url,
            admitters=settings.admitters,
        )

    @property
    def pause_ms(self) -> int:
        """Without a cycle for longer than this the process was paused, milliseconds."""
        return round(max(PAUSE_INTERVALS * self.interval, MIN_PAUSE_SECONDS) * 1000)
