"""Simulations as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from shield_common.text import format_duration
from shield_evaluator.simulate.variants import HOLDING, LATCHES, NOTHING, ROOM
from shield_evaluator.table_style import new_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from shield_evaluator.simulate.outcome import SimulationOutcome, TierOutcome

_BAD: Final = "bold red"
_ORDER: Final = (HOLDING, ROOM, LATCHES, NOTHING)


def render(variants: Mapping[str, SimulationOutcome]) -> Iterator[RenderableType]:
    """Yield what to print of one world.

    Args:
        variants: outcomes by name, the configuration that was asked for first.
    """
    title = "What etcd and its users would have seen"
    table = new_table("", *variants, right=variants, title=title)
    outcomes = list(variants.values())
    table.add_row("etcd full after", *(_full(one) for one in outcomes))
    table.add_row("file at its highest", *(_share(one.peak_file) for one in outcomes))
    table.add_row(
        "in use at its highest", *(_share(one.peak_in_use) for one in outcomes), end_section=True
    )
    tiers = list(outcomes[0].tiers)
    for tier in tiers:
        prefix = f"{tier}: " if len(tiers) > 1 else ""
        columns = [_figures(one.tiers[tier]) for one in outcomes]
        for label in columns[0]:
            table.add_row(prefix + label, *(column[label] for column in columns))
        table.add_section()
    yield table
    if any(one.outage_seconds is not None for one in outcomes):
        yield Text("A column ends where etcd is full: from then on no run can be created.", "dim")


def render_all(
    results: Sequence[tuple[str, Mapping[str, SimulationOutcome]]],
) -> Iterator[RenderableType]:
    """Yield what to print of many scenarios: one table per variant.

    Args:
        results: each scenario's name and its outcomes.
    """
    for name in _ORDER:
        rows = [(scenario, found[name]) for scenario, found in results if name in found]
        if not rows:
            continue
        briefs = {scenario: _brief(outcome) for scenario, outcome in rows}
        columns = tuple(next(iter(briefs.values())))
        table = new_table("scenario", *columns, right=columns, title=name.capitalize())
        for scenario, brief in briefs.items():
            table.add_row(scenario, *brief.values())
        yield table


def render_slots(
    results: Mapping[str, Mapping[str, SimulationOutcome]], needed: Mapping[str, int | None]
) -> Iterator[RenderableType]:
    """Yield a sentence for each scenario that lost runs although runs were held.

    Args:
        results: by scenario, the outcomes.
        needed: by scenario, how many slots would hold all its runs; None if no number would.
    """
    for name, slots in needed.items():
        outcome = results[name][HOLDING]
        asked = sum(tier.arrived for tier in outcome.tiers.values())
        sentence = f"{name}: {outcome.lost:,} of {asked:,} runs lost for want of slots; "
        if slots is None:
            yield Text(
                f"{sentence}no max_runs would hold all, because etcd is at `full`.", "yellow"
            )
        else:
            yield Text(f"{sentence}max_runs {slots:,} would hold all.", "yellow")


def _figures(tier: TierOutcome) -> dict[str, str | Text]:
    """Return what a tier's requesters met, by label."""
    return {
        "runs asked for": f"{tier.arrived:,}",
        "created": f"{tier.admitted:,}",
        "lost: the client gave up": f"{tier.lost:,}",
        "held before they started": f"{tier.held:,}",
        "waiting at the end": f"{tier.waiting:,}",
        "created later than asked for, median": format_duration(tier.late_median_seconds),
        "the same, 95 of 100 within": format_duration(tier.late_95_seconds),
        'answers "not yet, no room"': f"{tier.paced:,}",
        'answers "denied"': f"{tier.denied:,}",
        "closed by a latch": format_duration(tier.closed_by_latch_seconds),
        "closed without room": format_duration(tier.closed_without_room_seconds),
        "flaps": _flaps(tier.flaps),
    }


def _brief(outcome: SimulationOutcome) -> dict[str, str | Text]:
    """Return what one scenario came to, by column."""
    tiers = outcome.tiers.values()
    by_latch = max(tier.closed_by_latch_seconds for tier in tiers)
    without_room = max(tier.closed_without_room_seconds for tier in tiers)
    return {
        "etcd full after": _full(outcome),
        "highest": _share(outcome.peak_file),
        "closed by a latch": format_duration(by_latch),
        "closed without room": format_duration(without_room),
        "flaps": _flaps(sum(tier.flaps for tier in tiers)),
        "created": f"{sum(tier.admitted for tier in tiers):,}",
        "lost": f"{outcome.lost:,}",
    }


def _flaps(flaps: int) -> Text:
    return Text(str(flaps), style="yellow" if flaps else "")


def _full(outcome: SimulationOutcome) -> Text:
    if outcome.outage_seconds is None:
        return Text("never")
    return Text(format_duration(outcome.outage_seconds), style=_BAD)


def _share(value: float) -> str:
    return f"{value:.1%}"
