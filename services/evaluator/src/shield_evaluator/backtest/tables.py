"""A report as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from shield_common.text import format_datetime, format_duration, format_value
from shield_evaluator.table_style import cell, new_table, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from rich.table import Table

    from shield_evaluator.backtest.findings import Report, TierFindings

# Enough for a screen; --output json has all of them.
MAX_ROWS: Final = 40
CAVEAT: Final = (
    "The past stays as it was: where the shield would have denied, less would have been written"
    " than these samples show."
)


def render(reports: Sequence[tuple[str, Report]]) -> Iterator[RenderableType]:
    """Yield what to print.

    Args:
        reports: the name of each configuration and what it would have done, on the same samples.
    """
    first = reports[0][1]
    yield Text(
        f"{format_datetime(first.start)} to {format_datetime(first.end)} UTC, "
        f"{first.steps} steps of {first.step_seconds:g}s"
    )
    yield _summary(reports)
    for name, report in reports:
        yield _closings(name, report)
    if first.outages:
        yield _outages(reports)
    if first.gaps:
        yield _gaps(first)
    yield Text(CAVEAT, style="dim")


def _summary(reports: Sequence[tuple[str, Report]]) -> Table:
    table = new_table("tier", "", title="What each tier would have seen")
    for name, _ in reports:
        table.add_column(name, justify="right", overflow="fold")
    for tier in dict.fromkeys(tier for _, report in reports for tier in report.tiers):
        columns = [
            _figures(report.tiers[tier], len(report.outages)) if tier in report.tiers else {}
            for _, report in reports
        ]
        absent = Text("no such tier", style="dim")
        for row, label in enumerate(next(filter(None, columns))):
            others = absent if row == 0 else ""
            table.add_row(
                tier if row == 0 else "", label, *(column.get(label, others) for column in columns)
            )
        table.add_section()
    return table


def _figures(report: TierFindings, outages: int) -> dict[str, Text | str]:
    """Return what a tier would have seen, by label."""
    leads = [e.lead_seconds for e in report.exposures if e.lead_seconds is not None]
    missed, while_full = report.outages_missed, format_duration(report.open_at_quota_seconds)
    return {
        "closings": str(len(report.closings)),
        "closed": f"{format_duration(report.closed_seconds)} ({report.closed_share:.1%})",
        "flaps": Text(str(report.flaps), style="yellow" if report.flaps else ""),
        "outages missed": Text(f"{missed} of {outages}", style="bold red" if missed else ""),
        "shortest lead": format_duration(min(leads)) if leads else "-",
        "open while full": Text(
            while_full, style="bold red" if report.open_at_quota_seconds else ""
        ),
        "runs denied": "-" if report.runs_denied is None else f"{report.runs_denied:,}",
        "runs paced": "-" if report.runs_paced is None else f"{report.runs_paced:,}",
    }


def _closings(name: str, report: Report) -> RenderableType:
    rows = sorted(
        ((closing, tier) for tier, entry in report.tiers.items() for closing in entry.closings),
        key=lambda row: row[0].start,
    )
    if not rows:
        return Text(f"No closings with {name}.")
    columns = ("tier", "from", "to", "lasted", "peak", "why")
    table = new_table(*columns, right={"lasted", "peak"}, title=f"Closings with {name}")
    for closing, tier in rows[:MAX_ROWS]:
        unit = report.signals[closing.peak_signal].unit if closing.peak_signal else ""
        table.add_row(
            tier,
            format_datetime(closing.start),
            format_datetime(closing.end, "still closed"),
            format_duration(closing.seconds),
            f"{value_text(closing.peak, unit)} {closing.peak_signal or ''}".strip(),
            cell(closing.reason + (" (flap)" if closing.flap else "")),
        )
    table.caption = _left_out(len(rows), "closings")
    return table


def _outages(reports: Sequence[tuple[str, Report]]) -> Table:
    first = reports[0][1]
    columns = ("from", "to", "lasted", "peak", "signal", "member")
    table = new_table(*columns, right={"lasted", "peak"}, title="Outages: etcd at its quota")
    for name, report in reports:
        for tier in report.tiers:
            label = tier if len(reports) == 1 else f"{tier} ({name})"
            table.add_column(f"lead {label}", justify="right", overflow="fold")
    for number, outage in enumerate(first.outages[:MAX_ROWS]):
        leads = []
        for _, report in reports:
            # Another configuration may measure other signals, and then sees other outages.
            for entry in report.tiers.values():
                exposure = entry.exposures[number] if number < len(entry.exposures) else None
                if exposure is None:
                    leads.append(Text("-"))
                elif exposure.missed:
                    leads.append(Text("missed", style="bold red"))
                else:
                    lead = exposure.lead_seconds
                    leads.append(Text("unknown" if lead is None else format_duration(lead)))
        table.add_row(
            format_datetime(outage.start),
            format_datetime(outage.end, "still full"),
            format_duration(outage.seconds),
            format_value(outage.peak, "ratio"),
            Text(outage.signal),
            cell(outage.member or ""),
            *leads,
        )
    table.caption = _left_out(len(first.outages), "outages")
    return table


def _gaps(report: Report) -> Table:
    columns = ("signal", "from", "to", "lasted", "problem", "what the latches made of it")
    table = new_table(*columns, right={"lasted"}, title="Gaps in the data")
    for gap in report.gaps[:MAX_ROWS]:
        table.add_row(
            Text(gap.signal),
            format_datetime(gap.start),
            format_datetime(gap.end, "lasts"),
            format_duration(gap.seconds),
            cell(gap.problem),
            gap.treatment,
        )
    table.caption = _left_out(len(report.gaps) + report.gaps_left_out, "gaps")
    return table


def _left_out(rows: int, what: str) -> str | None:
    more = rows - MAX_ROWS
    return f"and {more} more {what}: see --output json" if more > 0 else None
