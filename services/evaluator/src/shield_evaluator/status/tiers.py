"""The tiers: admitting or denying, since when, why, and until what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shield_common.decision import format_value
from shield_evaluator.core.latch import LatchState
from shield_evaluator.core.plan import Unit
from shield_evaluator.status.observed import NO_VALUE, table, value
from shield_evaluator.status.tree import Element, Node, element
from shield_evaluator.status.words import clock, duration, sentence

if TYPE_CHECKING:
    from shield_common.decision import Decision, TierDecision
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.status.facts import Facts


def tiers(facts: Facts, decision: Decision, plan: Plan) -> Element:
    """Show every tier, the default one first."""
    names = sorted(decision.tiers, key=lambda name: name != plan.default_tier)
    cards = [_tier(facts, decision, plan, name) for name in names]
    return element("section", {"class": "tiers", "aria-label": "Tiers"}, *cards)


def _tier(facts: Facts, decision: Decision, plan: Plan, name: str) -> Element:
    entry, now = decision.tiers[name], facts.now.utc
    state = "admitting" if entry.allow else "denying"
    overridden = decision.override is not None and decision.override.covers(name)
    since = (
        f"since {clock(entry.since, now=now)}, for {duration((now - entry.since).total_seconds())}"
    )
    return element(
        "article",
        {"class": f"tier {state}", "id": f"tier-{name}"},
        element(
            "h2",
            None,
            element("span", {"class": "name"}, name),
            element("span", {"class": "tag"}, "default") if name == plan.default_tier else None,
            element("span", {"class": "tag"}, "overridden") if overridden else None,
        ),
        element("p", {"class": "state"}, "✓ Admitting" if entry.allow else "✕ Denying"),
        element("p", {"class": "since"}, since),
        element("p", {"class": "why"}, _why(facts, plan, entry, name)),
        element("p", {"class": "until"}, *_until(facts, decision, plan, name)),
        _latches(facts, decision, plan, name),
    )


def _why(facts: Facts, plan: Plan, entry: TierDecision, name: str) -> str:
    if not entry.allow:
        return sentence(entry.reason or "etcd is close to its quota")
    if entry.warning:
        return sentence(f"warning: {entry.warning}")
    blind = [signal for signal in plan.tiers.get(name, {}) if signal in facts.blind]
    if blind:
        told = ", ".join(f"{signal} ({plan.signals[signal].on_blind.value})" for signal in blind)
        return f"Not because etcd has room: on_blind speaks for {told}."
    return "No signal denies it."


def _until(facts: Facts, decision: Decision, plan: Plan, name: str) -> list[Node]:
    entry, override = decision.tiers[name], decision.override
    if override is not None and override.covers(name):
        return ["Until ", element("b", None, clock(override.until, now=facts.now.utc)), "."]
    if entry.allow:
        if entry.set is None or entry.unit == Unit.ALERT:
            return []
        return [
            "Until a signal reaches its set threshold, the nearest at ",
            element("b", None, format_value(entry.set, entry.unit)),
            ".",
        ]
    waits = [
        f"{signal} is below {format_value(threshold.reset, plan.signals[signal].unit)}"
        if plan.signals[signal].unit is not Unit.ALERT
        else f"alert {signal} stops"
        for signal, threshold in plan.tiers.get(name, {}).items()
        if facts.latch(name, signal) is LatchState.SET
    ]
    if not waits:
        return ["Until every signal is below its reset threshold."]
    return ["Until ", element("b", None, " and ".join(waits)), "."]


def _latches(facts: Facts, decision: Decision, plan: Plan, tier: str) -> Element | None:
    thresholds = plan.tiers.get(tier)
    if not thresholds:
        return None
    rows = []
    for signal, threshold in thresholds.items():
        unit = plan.signals[signal].unit
        latch = facts.latch(tier, signal)
        observation = decision.signals.get(signal)
        bounds: tuple[float | None, ...] = (threshold.warn, threshold.set, threshold.reset)
        if unit is Unit.ALERT:  # it fires or it does not
            bounds = (None, None, None)
        rows.append(
            element(
                "tr",
                None,
                element("th", {"scope": "row"}, signal),
                element("td", {"class": "now"}, value(observation, unit)),
                *(
                    element("td", None, NO_VALUE if at is None else format_value(at, unit))
                    for at in bounds
                ),
                element("td", {"class": f"latch {latch.value}"}, latch.value),
            )
        )
    titles = ("signal", "now", "warn", "set", "reset", "latch")
    return table(titles, rows)
