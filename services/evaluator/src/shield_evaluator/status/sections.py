"""The page's frame: how things are, what is wrong, the shield's own state, the last changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shield_evaluator.status.observed import table
from shield_evaluator.status.tree import Element, Node, element
from shield_evaluator.status.words import clock, duration, sentence

if TYPE_CHECKING:
    from shield_common.decision import Decision
    from shield_evaluator.status.facts import Facts


def header(facts: Facts) -> Element:
    """Say in one sentence how things are."""
    words, level = headline(facts)
    where = element(
        "p",
        {"class": "where"},
        element("strong", None, "etcd-shield"),
        element("span", {"class": "cluster"}, facts.cluster),
        element("span", {"class": "time"}, f"{facts.now.utc:%Y-%m-%d %H:%M:%SZ}"),
    )
    brief = element("p", {"class": "brief"}, " ".join(_brief(facts)))
    title = element("h1", None, words)
    return element(
        "header", {"class": level}, element("div", {"class": "top"}, where, title, brief)
    )


def _brief(facts: Facts) -> list[str]:
    decision = facts.decision
    if decision is None:
        return ["The evaluator has not finished its first cycle."]
    said = []
    reasons = [decision.tiers[name].reason for name in facts.denied]
    warnings = [tier.warning for tier in decision.tiers.values() if tier.warning]
    first = next((text for text in (*reasons, *warnings) if text), None)
    if first is not None:
        said.append(sentence(first))
    if decision.time_to_full_seconds is not None:
        left = duration(decision.time_to_full_seconds)
        said.append(f"At the present growth the quota is reached in {left}.")
    if facts.blind:
        said.append(f"Nothing is known of {' and '.join(facts.blind)}.")
    return said or ["etcd has room."]


def headline(facts: Facts) -> tuple[str, str]:
    """Return the sentence, and ``good``, ``near``, ``over`` or ``unknown``."""
    decision = facts.decision
    if decision is None:
        return "No decision yet", "unknown"
    denied = facts.denied
    if not denied:
        if facts.blind:
            return "Admitting, but blind", "near"
        if any(tier.warning for tier in decision.tiers.values()):
            return "Admitting, with a warning", "near"
        return "Admitting every tier", "good"
    if len(denied) == len(decision.tiers):
        return "Denying every tier" if len(denied) > 1 else f"Denying tier {denied[0]}", "over"
    # What the default tier is told is what most people came to see.
    noun = "tier" if len(denied) == 1 else "tiers"
    return f"Denying {noun} {', '.join(denied)}", "near" if decision.allow else "over"


def notices(facts: Facts) -> list[Element]:
    """Say what is not as it should be, most urgent first."""
    said: list[Element] = []
    if facts.redis is not None:
        said.append(
            _notice(
                "bad",
                "Redis does not answer.",
                f"Decisions do not reach the admitters: {facts.redis}",
            )
        )
    for signal in facts.blind:
        problem = facts.unusable.get(signal, "no usable sample")
        said.append(_notice("bad", f"Signal {signal} is blind.", sentence(problem)))
    decision = facts.decision
    if decision is not None and decision.override is not None:
        override = decision.override
        tiers = "every tier" if override.tiers is None else "tier " + ", ".join(override.tiers)
        left = duration((override.until - facts.now.utc).total_seconds())
        said.append(
            _notice(
                "note",
                f"Overridden: {tiers} {'admits' if override.allow else 'denies'}"
                f" until {clock(override.until, now=facts.now.utc)} ({left} left).",
                f"“{override.reason}”, by {override.by}"
                f" at {clock(override.since, now=facts.now.utc)}.",
            )
        )
    if facts.standby:
        said.append(
            _notice(
                "note", "This evaluator stands by.", "What follows is the writer's last decision."
            )
        )
    if facts.configuration is not None:
        said.append(_notice("bad", "The configuration file is not in force.", facts.configuration))
    return said


def _notice(kind: str, title: str, text: str) -> Element:
    return element(
        "p",
        {"class": f"notice {kind}", "role": "status"},
        element("strong", None, title),
        " ",
        text,
    )


def state(facts: Facts, decision: Decision | None) -> Element:
    """Show the shield's own state."""
    entries = {"Time to full": _forecast(decision), "Decision": _age(facts, decision)}
    lease = (
        "held by this evaluator"
        if facts.lease_held
        else "held by another"
        if facts.standby
        else "not held"
    )
    entries |= {
        "Lease": lease,
        "Redis": "does not answer" if facts.redis is not None else "answers",
        "Prometheus": _prometheus(facts),
        "This evaluator": facts.holder,
    }
    pairs = [
        element("div", None, element("dt", None, name), element("dd", None, value))
        for name, value in entries.items()
    ]
    return element("dl", {"class": "facts"}, *pairs)


def _forecast(decision: Decision | None) -> str:
    seconds = None if decision is None else decision.time_to_full_seconds
    return "not growing" if seconds is None else f"{duration(seconds)} at the present growth"


def _age(facts: Facts, decision: Decision | None) -> str:
    if decision is None:
        return "none yet"
    age = duration((facts.now.utc - decision.evaluated_at).total_seconds())
    return f"{age} old, epoch {decision.epoch}, sequence {decision.sequence}"


def _prometheus(facts: Facts) -> str:
    if facts.standby:
        return "asked by the writer"
    if facts.report is None:
        return "not asked yet"
    silent = [name for name, seen in facts.report.observations.items() if not seen.usable]
    return f"no answer for {', '.join(silent)}" if silent else "answers"


def changes(facts: Facts) -> Element:
    """List the last changes."""
    rows = [
        element(
            "tr",
            {"class": "admitting" if change.allow else "denying"},
            element("td", None, clock(change.at, now=facts.now.utc)),
            element("td", None, change.tier),
            element("td", {"class": "to"}, "admitting" if change.allow else "denying"),
            element("td", None, change.reason),
        )
        for change in facts.changes
    ]
    shown: Node = element("p", None, "None since this evaluator started.")
    if rows:
        shown = table(("at", "tier", "since then", "why"), rows)
    return element("section", {"class": "changes"}, element("h2", None, "Last changes"), shown)
