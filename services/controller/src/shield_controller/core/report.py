"""The report of held runs that the evaluator reads."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from shield_common.held import MAX_NAMESPACES, HeldReport, NamespaceReport, TierReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from shield_controller.core.runs import HeldRun


def held_report(
    runs: Iterable[HeldRun],
    *,
    now: datetime,
    is_stuck: Callable[[str], bool],
    per_minute: Callable[[str], float],
    counted: Mapping[str, int],
) -> HeldReport:
    """Summarise the held runs.

    Args:
        runs: all held runs.
        now: the API server's wall clock, for ages.
        is_stuck: whether a uid is stuck.
        per_minute: a tier's mean rate of releases.
        counted: the admitters' counts of held runs, read before ``runs`` were.
    """
    held: Counter[str] = Counter()
    stuck: Counter[str] = Counter()
    by_namespace: Counter[tuple[str, str]] = Counter()
    oldest: dict[str, datetime] = {}
    oldest_in_namespace: dict[tuple[str, str], datetime] = {}
    for run in runs:
        key = (run.tier, run.namespace)
        held[run.tier] += 1
        stuck[run.tier] += is_stuck(run.uid)
        by_namespace[key] += 1
        oldest[run.tier] = min(run.created, oldest.get(run.tier, run.created))
        oldest_in_namespace[key] = min(run.created, oldest_in_namespace.get(key, run.created))
    return HeldReport(
        reported_at=now,
        tiers={
            tier: TierReport(
                held=held[tier],
                oldest_seconds=age_seconds(oldest.get(tier, now), now),
                released_per_minute=per_minute(tier),
                stuck=stuck[tier],
                counted=counted.get(tier, 0),
            )
            for tier in sorted({*held, *counted})
        },
        namespaces=tuple(
            NamespaceReport(
                tier=tier,
                namespace=namespace,
                held=number,
                oldest_seconds=age_seconds(oldest_in_namespace[tier, namespace], now),
            )
            for (tier, namespace), number in by_namespace.most_common(MAX_NAMESPACES)
        ),
    )


def age_seconds(created: datetime, now: datetime) -> float:
    """Return an age, never negative: the clocks of two machines may differ."""
    return max(0.0, (now - created).total_seconds())
