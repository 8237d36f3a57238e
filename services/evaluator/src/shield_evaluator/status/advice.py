"""What a person who reads the page can do now, with links to the sections of docs/runbook.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shield_evaluator.status.snapshot import Snapshot

SHORT_SECONDS: Final = 3600  # until the quota is reached, as in the alert EtcdShieldTimeToFullShort


@dataclass(frozen=True, slots=True)
class Advice:
    """What a person can do now.

    Attributes:
        text: a sentence.
        link: the section of the runbook; None where no runbook is published.
    """

    text: str
    link: str | None


def advice_for(snapshot: Snapshot) -> list[Advice]:
    """Return what helps now, the most urgent first; at least one sentence."""
    decision = snapshot.decision
    override = None if decision is None else decision.override
    forecast = None if decision is None else decision.time_to_full_seconds
    fills = forecast is not None and forecast < SHORT_SECONDS
    denied, defragment = bool(snapshot.denied_tiers), snapshot.defragmentation_reopens
    cases = (
        (
            decision is None and not snapshot.withheld,
            "Wait for the first decision. If none comes, read the evaluator's log.",
            "reading-the-status-page",
        ),
        (
            defragment,
            "Defragment etcd: its file has free space that only a defragmentation gives back.",
            "etcdshielddefragwouldhelp",
        ),
        (
            bool(snapshot.tiers_without_room),
            "Wait for admitted runs to finish: what they still write takes the room that is left.",
            "etcdshielddenyadmission",
        ),
        (
            denied and not defragment,
            "Make room: prune old PipelineRuns, compact, then defragment. Admission follows.",
            "etcdshielddenyadmission",
        ),
        (
            snapshot.withheld or bool(snapshot.blind_signals),
            "Find out why Prometheus has no samples. Nothing protects etcd until it has.",
            "etcdshieldsignalblind",
        ),
        (
            snapshot.redis_problem is not None,
            "Restore Redis. Until then admitters use their last decision, for some minutes.",
            "etcdshieldredisdown",
        ),
        (
            override is not None,
            "Clear the override once it is not needed: shield-evaluator override clear.",
            "etcdshieldoverrideactive",
        ),
        (fills and not denied, "Find out what writes so much.", "etcdshieldtimetofullshort"),
        (denied, "In an emergency only: admit requests by hand.", "break-glass"),
    )
    chosen = [(text, anchor) for holds, text, anchor in cases if holds]
    chosen = chosen or [("There is nothing to do.", "reading-the-status-page")]
    url = snapshot.runbook_url
    return [Advice(text, None if url is None else f"{url}#{anchor}") for text, anchor in chosen]
