"""Simulations as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from shield_common.text import format_duration
from shield_evaluator.simulate.variants import HOLDING, LATCHES, NOTHING, ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.console import RenderableType

    from shield_evaluator.simulate.outcome import Outcome, TierOutcome

_BAD: Final = "bold red"
_ORDER: Final = (HOLDING, ROOM, LATCHES, NOTHING)
# What `render_all` shows of each variant.
_BRIEF: Final = (
    "etcd full after",
    "highest",
    "closed by a latch",
    "closed without room",
    "flaps",
    "created",
    "lost",
)


def render(variants: Mapping[str, Outcome]) -> Iterator[RenderableType]:
    """Yield what to print of one world.

    Args:
        variants: outcomes by name, the configuration that was asked for first.
    """
    table = Table(title="What etcd and its users would have seen", title_justify="left")
    table.add_column("")
    for name in variants:
        table.add_column(name, justify="right")
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
        for row, label in enumerate(_FIGURES):
            table.add_row(
                prefix + label,
                *(column[row] for column in columns),
                end_section=row == len(_FIGURES) - 1,
            )
    yield table
    if any(one.outage_seconds is not None for one in outcomes):
        yield Text("A column ends where etcd is full: from then on no run can be created.", "dim")


def render_all(results: Sequence[tuple[str, Mapping[str, Outcome]]]) -> Iterator[RenderableType]:
    """Yield what to print of many scenarios: one table per variant.

    Args:
        results: each scenario's name and its outcomes.
    """
    for name in _ORDER:
        rows = [(scenario, found[name]) for scenario, found in results if name in found]
        if not rows:
            continue
        table = Table(title=name.capitalize(), title_justify="left")
        table.add_column("scenario")
        for column in _BRIEF:
            table.add_column(column, justify="right")
        for scenario, outcome in rows:
            table.add_row(scenario, *_brief(outcome))
        yield table


def render_slots(
    results: Mapping[str, Mapping[str, Outcome]], needed: Mapping[str, int | None]
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


_FIGURES: Final = (
    "runs asked for",
    "created",
    "lost: the client gave up",
    "held before they started",
    "waiting at the end",
    "created later than asked for, median",
    "the same, 95 of 100 within",
    'answers "not yet, no room"',
    'answers "denied"',
    "closed by a latch",
    "closed without room",
    "flaps",
)


def _figures(tier: TierOutcome) -> list[Text]:
    return [
        Text(f"{tier.arrived:,}"),
        Text(f"{tier.admitted:,}"),
        Text(f"{tier.lost:,}"),
        Text(f"{tier.held:,}"),
        Text(f"{tier.waiting:,}"),
        Text(format_duration(tier.late_median_seconds)),
        Text(format_duration(tier.late_95_seconds)),
        Text(f"{tier.paced:,}"),
        Text(f"{tier.denied:,}"),
        Text(format_duration(tier.closed_by_latch_seconds)),
        Text(format_duration(tier.closed_without_room_seconds)),
        Text(str(tier.flaps), style="yellow" if tier.flaps else ""),
    ]


def _brief(outcome: Outcome) -> list[Text]:
    tiers = outcome.tiers.values()
    flaps = sum(tier.flaps for tier in tiers)
    return [
        _full(outcome),
        _share(outcome.peak_file),
        Text(format_duration(max(tier.closed_by_latch_seconds for tier in tiers))),
        Text(format_duration(max(tier.closed_without_room_seconds for tier in tiers))),
        Text(str(flaps), style="yellow" if flaps else ""),
        Text(f"{sum(tier.admitted for tier in tiers):,}"),
        Text(f"{outcome.lost:,}"),
    ]


def _full(outcome: Outcome) -> Text:
    if outcome.outage_seconds is None:
        return Text("never")
    return Text(format_duration(outcome.outage_seconds), style=_BAD)


def _share(value: float) -> Text:
    return Text(f"{value:.1%}")
