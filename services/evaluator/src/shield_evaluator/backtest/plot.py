"""A report as a picture: usage, thresholds, closed spans and gaps. Needs the extra ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import FuncFormatter

from shield_common.text import format_value
from shield_evaluator.core.plan import Unit
from shield_evaluator.drawing import (
    DAY_MS,
    FULL_COLOUR,
    add_grid_and_legend,
    label_days,
    picture,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from shield_evaluator.backtest.findings import Report
    from shield_evaluator.backtest.samples import QuerySamples
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.prometheus.range_query import Grid

_HOUR_SECONDS: Final = 3_600
COLUMNS: Final = 1_400  # about one per pixel: more points cost time and show nothing

# Distinguishable without red and green (Okabe and Ito, https://jfly.uni-koeln.de/color/).
_TIER_COLOURS: Final = ("#0072B2", "#E69F00", "#CC79A7", "#009E73", "#56B4E9", "#D55E00")
_USAGE: Final = "#333333"
_GAPS: Final = {"missing": "#C4C4C4", "partial": "#E8E8E8"}
_GAP_LABELS: Final = {"missing": "no samples", "partial": "a member is missing"}


def draw(
    path: Path,
    plan: Plan,
    queries: Mapping[str, QuerySamples],
    grid: Grid,
    reports: Sequence[tuple[str, Report]],
) -> None:
    """Draw a picture into a file.

    Args:
        path: the file; see `drawing.picture`.
        plan: the thresholds to draw.
        queries: each signal's samples.
        grid: the steps.
        reports: the name of each configuration and what it would have done; the first is the
            plan's own.

    Raises:
        SamplesError: the file cannot be written.
    """
    colours = _colours(reports)
    lanes = [(name, tier, report) for name, report in reports for tier in report.tiers]
    heights = [2.4] * len(queries) + [0.35 + 0.26 * len(lanes)]
    with picture(path, _title(reports[0][1]), height=sum(heights) + 0.9) as figure:
        panels = figure.subplots(
            len(heights), 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": heights}
        )[:, 0]
        for panel, (signal, query) in zip(panels, queries.items(), strict=False):
            _usage(panel, signal, plan, query, grid, reports[0][1], colours)
        _lanes(panels[-1], lanes, colours, named=len(reports) > 1)
        panels[-1].set_xlim(_x(reports[0][1].start), _x(reports[0][1].end))
        label_days(panels[-1])


def _title(report: Report) -> str:
    short = (report.end - report.start).total_seconds() < _HOUR_SECONDS
    form = "%Y-%m-%d %H:%M:%S" if short else "%Y-%m-%d %H:%M"
    return f"etcd-shield backtest, {report.start:{form}} to {report.end:{form}} UTC"


def _colours(reports: Sequence[tuple[str, Report]]) -> dict[str, str]:
    tiers = dict.fromkeys(tier for _, report in reports for tier in report.tiers)
    return {tier: _TIER_COLOURS[i % len(_TIER_COLOURS)] for i, tier in enumerate(tiers)}


def _usage(
    axes: Axes,
    signal: str,
    plan: Plan,
    query: QuerySamples,
    grid: Grid,
    report: Report,
    colours: Mapping[str, str],
) -> None:
    times, low, high = _envelope(query, grid)
    unit = plan.signals[signal].unit
    axes.fill_between(times, low, high, color=_USAGE, alpha=0.25, linewidth=0)
    axes.plot(times, high, color=_USAGE, linewidth=1.3, zorder=3, label="worst member")
    for tier, thresholds in plan.tiers.items():
        if signal in thresholds:
            threshold = thresholds[signal]
            axes.axhline(
                threshold.set, color=colours[tier], linewidth=1.1, label=f"{tier}: set, reset"
            )
            axes.axhline(threshold.reset, color=colours[tier], linewidth=0.9, linestyle=(0, (4, 3)))
    labels = dict(_GAP_LABELS)
    for gap in report.gaps:
        if gap.signal == signal:
            axes.axvspan(
                _x(gap.start),
                _x(gap.end or report.end),
                color=_GAPS[gap.kind],
                linewidth=0,
                zorder=0,
                label=labels.pop(gap.kind, None),
            )
    if unit is Unit.RATIO:
        axes.axhline(1.0, color=FULL_COLOUR, linewidth=1.4, label="quota")
    axes.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _position: format_value(value, unit.value))
    )
    axes.set_ylabel(signal)
    axes.set_ylim(_limits(low, high, plan, signal))
    add_grid_and_legend(axes)


def _limits(
    low: NDArray[np.float64], high: NDArray[np.float64], plan: Plan, signal: str
) -> tuple[float, float]:
    """Return the axis' ends: all values and all thresholds, and little else."""
    thresholds = [t[signal] for t in plan.tiers.values() if signal in t]
    bounds = [t.set for t in thresholds] + [t.reset for t in thresholds]
    if plan.signals[signal].unit is Unit.RATIO:
        bounds.append(1.0)
    known = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)], bounds])
    bottom, top = float(known.min()), float(known.max())
    margin = 0.06 * (top - bottom)
    return max(bottom - margin, 0.0), top + margin


def _envelope(
    query: QuerySamples, grid: Grid
) -> tuple[list[float], NDArray[np.float64], NDArray[np.float64]]:
    """Return time, lowest and highest of the worst member's value per column of the picture."""
    worst = np.full(grid.steps, np.nan)
    for one in query.series:
        values = np.frombuffer(one.values, dtype=np.float64).copy()
        values[np.frombuffer(one.present, dtype=np.uint8) == 0] = np.nan
        values[~np.isfinite(values) | (values < 0)] = np.nan
        worst = np.fmax(worst, values)
    width = max(1, -(-grid.steps // COLUMNS))
    padded = np.concatenate([worst, np.full(-grid.steps % width, np.nan)]).reshape(-1, width)
    times = [grid.at(index * width) / DAY_MS for index in range(len(padded))]
    return times, np.fmin.reduce(padded, axis=1), np.fmax.reduce(padded, axis=1)


def _lanes(
    axes: Axes,
    lanes: Sequence[tuple[str, str, Report]],
    colours: Mapping[str, str],
    *,
    named: bool,
) -> None:
    for row, (_, tier, report) in enumerate(lanes):
        axes.axhspan(row - 0.34, row + 0.34, color="#F2F2F2", linewidth=0)
        for closing in report.tiers[tier].closings:
            axes.fill_betweenx(
                [row - 0.34, row + 0.34],
                _x(closing.start),
                _x(closing.end or report.end),
                color=colours[tier],
                linewidth=0.6,  # so that a short one can still be seen
            )
    for outage in lanes[0][2].outages:
        axes.axvspan(
            _x(outage.start),
            _x(outage.end or lanes[0][2].end),
            color=FULL_COLOUR,
            alpha=0.25,
            linewidth=0,
        )
    axes.set_yticks(
        range(len(lanes)), [f"{tier} ({name})" if named else tier for name, tier, _ in lanes]
    )
    axes.set_ylim(len(lanes) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title("denied (coloured); red: etcd at its quota", loc="left", fontsize=9)


def _x(at: datetime) -> float:
    """Return a time as matplotlib counts it: days since 1970."""
    return at.timestamp() * 1000 / DAY_MS
