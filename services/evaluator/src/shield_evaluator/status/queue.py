"""The queue of held runs in words: by tier and namespace, the longest first.

The controller reports it. `shield-controller queue` shows which run is next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_common.text import format_duration

if TYPE_CHECKING:
    from shield_common.decision import Decision
    from shield_common.held import HeldReport

MAX_ROWS: Final = 12  # what fits on one screen beside the rest


@dataclass(frozen=True, slots=True)
class QueueRow:
    """The held runs of one tier in one namespace.

    Attributes:
        tier: the tier.
        namespace: the namespace.
        held: how many runs are held, as text.
        oldest: how long the oldest of them has waited, as text.
    """

    tier: str
    namespace: str
    held: str
    oldest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """All held runs.

    Attributes:
        summary: how many there are and how fast they start, in a sentence.
        rows: the namespaces of a tier with most held runs.
        more: a sentence on the held runs of all others; empty if there are none.
    """

    summary: str
    rows: list[QueueRow]
    more: str


def queue_of(report: HeldReport | None) -> Queue | None:
    """Return the queue of a report; None without one."""
    if report is None:
        return None
    held = sum(tier.held for tier in report.tiers.values())
    rows = [
        QueueRow(
            entry.tier, entry.namespace, f"{entry.held:,}", format_duration(entry.oldest_seconds)
        )
        for entry in report.namespaces[:MAX_ROWS]
    ]
    shown = sum(entry.held for entry in report.namespaces[:MAX_ROWS])
    return Queue(
        summary=_summary(report, held),
        rows=rows,
        more=f"{held - shown:,} more runs are held elsewhere." if held > shown else "",
    )


def beside_admitters(decision: Decision | None) -> str:
    """Return what to add to a count of subscribers: a controller that starts held runs is one."""
    holds = () if decision is None else (tier.hold for tier in decision.tiers.values())
    works = any(hold is not None and not hold.stalled for hold in holds)
    return ", the controller among them" if works else ""


def _summary(report: HeldReport, held: int) -> str:
    if not held:
        return "No run is held."
    stuck = sum(tier.stuck for tier in report.tiers.values())
    per_minute = sum(tier.released_per_minute for tier in report.tiers.values())
    text = (
        f"{held:,} {'run is' if held == 1 else 'runs are'} held, {per_minute:.3g} a minute start."
    )
    if stuck:
        text += f" Tekton refused to start {stuck:,} of them: see the events of these runs."
    return text
