"""A look as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from shield_common.decision import format_value
from shield_evaluator.console.glance import Standing
from shield_evaluator.wording import moment, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rich.console import RenderableType

    from shield_common.decision import Decision, Override, TierDecision
    from shield_evaluator.console.glance import Glance

_STYLES: Final = {
    Standing.ADMITTING: "bold green",
    Standing.DENYING: "bold red",
    Standing.STALE: "bold yellow",
    Standing.ABSENT: "bold yellow",
}


def render(glance: Glance, units: Mapping[str, str]) -> Iterator[RenderableType]:
    """Yield what to print.

    Args:
        glance: what was seen.
        units: how each signal's values read; the decision does not say.
    """
    yield Text.assemble(
        f"{glance.cluster}, tier {glance.tier}: ",
        (glance.standing.value, _STYLES[glance.standing]),
    )
    yield from map(Text, _facts(glance))
    if glance.decision is not None:
        yield _tiers(glance.decision)
        yield _signals(glance.decision, units)


def describe_override(override: Override, seconds: float | None) -> str:
    """Say in a sentence what an override does.

    Args:
        override: it.
        seconds: how long it still lasts; None when nobody set an end.
    """
    what = "allow" if override.allow else "deny"
    whom = "all tiers" if override.tiers is None else f"tier {', '.join(override.tiers)}"
    left = "without an end" if seconds is None else f"for another {span(seconds)}"
    until = f"until {override.until:%H:%M:%S}Z"
    return f"{what} {whom} {until} ({left}), by {override.by}: {override.reason}"


def _facts(glance: Glance) -> Iterator[str]:
    decision = glance.decision
    if glance.problem is not None:
        yield f"problem: {glance.problem}"
    if decision is None:
        yield "decision: none"
    else:
        age = "of unknown age" if glance.age_seconds is None else f"{span(glance.age_seconds)} old"
        yield f"decision: {decision.epoch}/{decision.sequence}, {age}"
        full = decision.time_to_full_seconds
        yield f"time to full: {'usage is flat or falls' if full is None else span(full)}"
    yield f"lease: {glance.lease_holder or 'nobody holds it; is an evaluator running?'}"
    yield f"admitters subscribed: {'unknown' if glance.admitters is None else glance.admitters}"
    if glance.override is None:
        yield "override: none"
    else:
        told = describe_override(glance.override, glance.override_seconds)
        yield f"override: {told}{'' if glance.override_in_force else ' (not taken up yet)'}"


def _tiers(decision: Decision) -> Table:
    table = Table()
    for column in ("tier", "", "since (UTC)", "value", "set", "reset", "why"):
        table.add_column(column, justify="right" if column in {"value", "set", "reset"} else "left")
    for name, tier in decision.tiers.items():
        verdict = Text("admits", style="green") if tier.allow else Text("denies", style="bold red")
        table.add_row(
            Text(name),
            verdict,
            moment(tier.since),
            *(_value(value, tier) for value in (tier.value, tier.set, tier.reset)),
            Text(tier.reason or tier.warning or ""),
        )
    return table


def _signals(decision: Decision, units: Mapping[str, str]) -> Table:
    table = Table()
    for column in ("signal", "value", "worst member", "members", "state"):
        table.add_column(column, justify="right" if column in {"value", "members"} else "left")
    for name, reading in decision.signals.items():
        unit = units.get(name, "number")
        table.add_row(
            Text(name),
            "" if reading.value is None else format_value(reading.value, unit),
            Text(reading.member or ""),
            str(reading.members),
            Text(reading.state, style="" if reading.state == "ok" else "yellow"),
        )
    return table


def _value(value: float | None, tier: TierDecision) -> str:
    return "" if value is None else format_value(value, tier.unit)
