"""The signals: how far each is from its thresholds, on which member, and over the last hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shield_evaluator.core.plan import Unit
from shield_evaluator.status import chart
from shield_evaluator.status.observed import value
from shield_evaluator.status.tree import Element, Node, element
from shield_evaluator.status.words import sentence

if TYPE_CHECKING:
    from shield_common.decision import Decision, SignalObservation
    from shield_evaluator.core.plan import Plan, Threshold
    from shield_evaluator.status.facts import Facts


def signals(facts: Facts, decision: Decision, plan: Plan) -> Element:
    """Show every signal."""
    cards = [
        _signal(facts, decision.signals[name], plan, name)
        for name in plan.signals
        if name in decision.signals
    ]
    return element("section", {"class": "signals", "aria-label": "Signals"}, *cards)


def _signal(facts: Facts, observation: SignalObservation, plan: Plan, name: str) -> Element:
    unit = plan.signals[name].unit
    thresholds = {tier: named[name] for tier, named in plan.tiers.items() if name in named}
    history = facts.histories.get(name)
    values = [value for _, value in history.points] if history is not None else []
    top = chart.top_of(unit, thresholds, [observation.value or 0.0, *values])
    pictures: list[Node] = []
    if unit is not Unit.ALERT:
        level = _level(observation.value, thresholds)
        pictures.append(chart.bar(observation.value, thresholds, unit=unit, top=top, level=level))
        pictures.append(_legend())
    if history is not None and values:
        tier = plan.default_tier
        pictures.append(chart.line(history, thresholds, now_ms=facts.now.ms, top=top, tier=tier))
        pictures.append(_axis(f"the last hour, with the thresholds of tier {tier}"))
    state = observation.state
    return element(
        "article",
        {"class": f"signal {state}", "id": f"signal-{name}"},
        element(
            "h2",
            None,
            element("span", {"class": "name"}, name),
            element("span", {"class": f"tag {state}"}, state),
            element("span", {"class": "value"}, value(observation, unit)),
        ),
        *pictures,
        *_said(facts, observation, plan, name),
    )


def _legend() -> Element:
    bounds = ("reset", "warn", "set")
    marks = (element("span", {"class": f"key {bound}"}, bound) for bound in bounds)
    title = element("span", None, "thresholds of every tier:")
    return element("p", {"class": "axis legend"}, title, *marks)


def _axis(what: str) -> Element:
    ends = ("60 min ago", what, "now")
    return element("p", {"class": "axis"}, *(element("span", None, end) for end in ends))


def _level(value: float | None, thresholds: dict[str, Threshold]) -> str:
    if value is None:
        return "good"
    if any(value >= threshold.set for threshold in thresholds.values()):
        return "over"
    near = [t.reset if t.warn is None else t.warn for t in thresholds.values()]
    return "near" if near and value >= min(near) else "good"


def _said(facts: Facts, observation: SignalObservation, plan: Plan, name: str) -> list[Element]:
    signal = plan.signals[name]
    members = "" if signal.unit is Unit.ALERT else _members(observation, signal.members)
    problem = facts.unusable.get(name)
    said = []
    if members:
        said.append(element("p", {"class": "members"}, members))
    if problem is not None and problem not in members:
        said.append(element("p", {"class": "problem"}, sentence(problem)))
    return said


def _members(observation: SignalObservation, expected: int | None) -> str:
    of = f" of {expected}" if expected is not None else ""
    noun = "member" if (expected or observation.members) == 1 else "members"
    seen = f"{observation.members}{of} {noun} answered"
    return f"Worst member: {observation.member}. {seen}." if observation.member else f"{seen}."
