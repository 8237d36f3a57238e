"""The status page in words: everything that ``template.html`` shows, and nothing that it does not.

Texts may contain what others wrote (names of members, reasons of overrides). They stay plain text
here; ``page`` escapes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_common.text import format_duration, format_time, sentence
from shield_evaluator.status.advice import Advice, advice_for
from shield_evaluator.status.cards import SignalCard, TierCard, signal_cards, tier_cards
from shield_evaluator.status.queue import Queue, beside_admitters, queue_of

if TYPE_CHECKING:
    from shield_common.decision import Decision, Override
    from shield_evaluator.status.snapshot import Snapshot

FASTEST_REFRESH: Final = 2  # seconds; a page that changes faster cannot be read


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that is not as usual.

    Attributes:
        title: what it is.
        text: the details.
        bad: whether somebody has to act.
    """

    title: str
    text: str
    bad: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRow:
    """A tier that started to admit or to deny."""

    at: str
    tier: str
    allow: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The whole page.

    Attributes:
        level: ``good``, ``near``, ``over`` or ``unknown``: the colour of headline and icon.
        headline: what the shield does, in a few words.
        brief: why, in a sentence or two.
        notices: the most urgent first.
        queue: the held runs; None while nothing reports them.
        facts: the evaluator's own state, as name and value.
        refresh_seconds: after how long the browser loads the page again.
    """

    cluster: str
    time: str
    level: str
    headline: str
    brief: str
    notices: list[Notice]
    tiers: list[TierCard]
    signals: list[SignalCard]
    queue: Queue | None
    facts: list[tuple[str, str]]
    advice: list[Advice]
    changes: list[ChangeRow]
    refresh_seconds: int


def view_of(snapshot: Snapshot) -> View:
    """Put a snapshot into words."""
    headline, level = _headline(snapshot)
    return View(
        cluster=snapshot.cluster,
        time=f"{snapshot.now.utc:%Y-%m-%d %H:%M:%SZ}",
        level=level,
        headline=headline,
        brief=" ".join(_brief(snapshot)),
        notices=_notices(snapshot),
        tiers=tier_cards(snapshot),
        signals=signal_cards(snapshot),
        queue=queue_of(None if snapshot.result is None else snapshot.result.held_report),
        facts=_facts(snapshot),
        advice=advice_for(snapshot),
        changes=[
            ChangeRow(
                at=format_time(change.at, now=snapshot.now.utc),
                tier=change.tier,
                allow=change.allow,
                reason=change.reason,
            )
            for change in snapshot.changes
        ],
        refresh_seconds=max(FASTEST_REFRESH, math.ceil(snapshot.interval)),
    )


def _headline(snapshot: Snapshot) -> tuple[str, str]:
    decision = snapshot.decision
    if decision is None:
        return (
            ("Decision withheld", "near") if snapshot.withheld else ("No decision yet", "unknown")
        )
    denied = snapshot.denied_tiers
    if not denied:
        if snapshot.blind_signals:
            return "Admitting, but blind", "near"
        if any(tier.warning for tier in decision.tiers.values()):
            return "Admitting, with a warning", "near"
        return "Admitting every tier", "good"
    if len(denied) == len(decision.tiers):
        return "Denying every tier" if len(denied) > 1 else f"Denying tier {denied[0]}", "over"
    noun = "tier" if len(denied) == 1 else "tiers"
    # Most people who look are in the default tier, so it alone turns the page red.
    return f"Denying {noun} {', '.join(denied)}", "near" if decision.allow else "over"


def _brief(snapshot: Snapshot) -> list[str]:
    decision = snapshot.decision
    if decision is None:
        return [_why_no_decision(snapshot)]
    sentences = []
    reasons = [decision.tiers[name].reason for name in snapshot.denied_tiers]
    warnings = [tier.warning for tier in decision.tiers.values() if tier.warning]
    first = next((text for text in (*reasons, *warnings) if text), None)
    if first is not None:
        sentences.append(sentence(first))
    if decision.time_to_full_seconds is not None:
        left = format_duration(decision.time_to_full_seconds)
        sentences.append(f"At the present growth the quota is reached in {left}.")
    if snapshot.blind_signals:
        sentences.append(f"Nothing is known of {' and '.join(snapshot.blind_signals)}.")
    return sentences or ["etcd has room."]


def _why_no_decision(snapshot: Snapshot) -> str:
    if snapshot.withheld:
        return (
            "Signals give no values, and no earlier state is stored. Admitters keep their last"
            " decision for some minutes, then on_unknown decides."
        )
    if snapshot.standby:
        return "Another evaluator is the writer and has published no decision."
    return "The evaluator has not finished its first cycle."


def _notices(snapshot: Snapshot) -> list[Notice]:
    notices = []
    if snapshot.redis_problem is not None:
        text = f"Decisions do not reach the admitters: {snapshot.redis_problem}"
        notices.append(Notice("Redis does not answer.", text, bad=True))
    if snapshot.withheld:
        for signal, problem in snapshot.problems.items():
            notices.append(Notice(f"Signal {signal} is unusable.", sentence(problem), bad=True))
    for signal in snapshot.blind_signals:
        problem = snapshot.problems.get(signal, "no usable sample")
        notices.append(Notice(f"Signal {signal} is blind.", sentence(problem), bad=True))
    decision = snapshot.decision
    if decision is not None and decision.override is not None:
        notices.append(_override_notice(decision.override, snapshot))
    if decision is not None and any(t.hold and t.hold.stalled for t in decision.tiers.values()):
        title = "shield-controller has stopped reporting."
        notices.append(Notice(title, "Held runs may not start until it reports again.", bad=True))
    if snapshot.standby:
        title, text = "This evaluator is a standby.", "What follows is the writer's last decision."
        notices.append(Notice(title, text, bad=False))
    if snapshot.config_problem is not None:
        title = "The configuration file is not in force."
        notices.append(Notice(title, snapshot.config_problem, bad=True))
    return notices


def _override_notice(override: Override, snapshot: Snapshot) -> Notice:
    now = snapshot.now.utc
    tiers = "every tier" if override.tiers is None else "tier " + ", ".join(override.tiers)
    verb = "admits" if override.allow else "denies"
    left = format_duration((override.until - now).total_seconds())
    return Notice(
        f"Overridden: {tiers} {verb} until {format_time(override.until, now=now)} ({left} left).",
        f"“{override.reason}”, by {override.by} at {format_time(override.since, now=now)}.",
        bad=False,
    )


def _facts(snapshot: Snapshot) -> list[tuple[str, str]]:
    decision = snapshot.decision
    if snapshot.redis_problem is not None:
        redis = "does not answer"
    else:
        redis = "not asked yet" if snapshot.result is None else "answers"
    if snapshot.lease_held:
        lease = "held by this evaluator"
    else:
        lease = "held by another evaluator" if snapshot.standby else "not held"
    return [
        ("Time to full", _time_to_full(decision)),
        ("Decision", _age(snapshot, decision)),
        *_sharing(decision),
        ("Lease", lease),
        ("Redis", redis),
        ("Prometheus", _prometheus(snapshot)),
        ("This evaluator", snapshot.holder),
    ]


def _time_to_full(decision: Decision | None) -> str:
    if decision is None:
        return "not known yet"
    seconds = decision.time_to_full_seconds
    return "not growing" if seconds is None else f"{format_duration(seconds)} at the present growth"


def _sharing(decision: Decision | None) -> list[tuple[str, str]]:
    if decision is None or decision.admitters is None:
        return []
    noun = "admitter" if decision.admitters == 1 else "admitters"
    shares = f"{decision.admitters:,} {noun}{beside_admitters(decision)}"
    return [("Room is shared by", shares)]


def _age(snapshot: Snapshot, decision: Decision | None) -> str:
    if decision is None:
        return "withheld" if snapshot.withheld else "none yet"
    age = format_duration((snapshot.now.utc - decision.evaluated_at).total_seconds())
    return f"{age} old, epoch {decision.epoch}, sequence {decision.sequence}"


def _prometheus(snapshot: Snapshot) -> str:
    if snapshot.standby:
        return "queried by the writer"
    if snapshot.result is None:
        return "not queried yet"
    silent = [name for name, seen in snapshot.result.observations.items() if not seen.usable]
    return f"no answer for {', '.join(silent)}" if silent else "answers"
