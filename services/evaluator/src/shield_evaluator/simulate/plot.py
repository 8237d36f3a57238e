"""Simulations as a picture: etcd's usage and the runs. Needs the extra ``plot``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import FuncFormatter, MultipleLocator, PercentFormatter

from shield_evaluator.core.plan import FILE_SIGNAL
from shield_evaluator.drawing import FULL_COLOUR, add_grid_and_legend, picture
from shield_evaluator.simulate.variants import HOLDING, LATCHES, NOTHING, ROOM
from shield_evaluator.simulate.world import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.axes import Axes

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.simulate.outcome import Simulated

# Distinguishable without red and green.
_COLOURS: Final = {NOTHING: "#9A9A9A", LATCHES: "#E69F00", ROOM: "#0072B2", HOLDING: "#009E73"}
# Without a shield and with latches alone, courses are often the same: the wider line shows below.
_WIDTHS: Final = {NOTHING: 4.0, LATCHES: 1.8, ROOM: 1.8, HOLDING: 1.8}
_HEIGHTS: Final = (3.4, 2.0)  # inches
_SMOOTH: Final = 4  # points of a course, two minutes: single requests are not a rate
_MOST_TICKS: Final = 13
_TICKS: Final = (5 * MINUTE, 10 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 3 * HOUR, 6 * HOUR)


def draw(path: Path, title: str, plan: Plan, variants: Mapping[str, Simulated]) -> None:
    """Draw a picture into a file.

    Args:
        path: the file; see `drawing.picture`.
        title: what is simulated.
        plan: whose default tier's bounds are drawn.
        variants: simulations by name.

    Raises:
        SamplesError: the file cannot be written.
    """
    with picture(path, title, height=sum(_HEIGHTS) + 0.7) as figure:
        usage, rates = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": _HEIGHTS})
        end = max(one.course[-1].second for one in variants.values())
        _usage(usage, plan, variants, end)
        _rates(rates, variants)
        _time_axis(rates, end)


def _usage(axes: Axes, plan: Plan, variants: Mapping[str, Simulated], end: int) -> None:
    for name in reversed(list(variants)):
        one, colour = variants[name], _COLOURS[name]
        seconds = [moment.second for moment in one.course]
        file = [moment.file for moment in one.course]
        in_use = np.array([moment.in_use for moment in one.course])
        reserved = np.array([moment.reserved for moment in one.course])
        if reserved.any():
            axes.fill_between(
                seconds,
                in_use,
                in_use + reserved,
                color=colour,
                alpha=0.18,
                linewidth=0,
                label="reserved: admitted,\nnot written yet",
            )
        axes.plot(seconds, file, color=colour, linewidth=_WIDTHS[name], label=name)
        axes.plot(seconds, in_use, color=colour, linewidth=0.8, linestyle=(0, (1, 1)))
        outage = one.outcome.outage_seconds
        if outage is not None:
            axes.plot([outage, end], [1, 1], color=colour, linewidth=1.7, linestyle=(0, (1, 2)))
            axes.plot([outage], [1], color=FULL_COLOUR, marker="X", markersize=8, zorder=5)
    _bounds(axes, plan, variants)
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_ylabel("etcd's quota")
    axes.set_ylim(0, 1.06)
    add_grid_and_legend(axes)


def _bounds(axes: Axes, plan: Plan, variants: Mapping[str, Simulated]) -> None:
    axes.axhline(1.0, color=FULL_COLOUR, linewidth=1.4, label="quota (X: etcd is full)")
    threshold = plan.tiers[plan.default_tier].get(FILE_SIGNAL)
    if threshold is None:
        return
    label = f"{plan.default_tier}: set, reset of the file"
    axes.axhline(threshold.set, color="#555555", linewidth=0.9, label=label)
    axes.axhline(threshold.reset, color="#555555", linewidth=0.8, linestyle=(0, (4, 3)))
    targets = [t.room.target for t in plan.tiers[plan.default_tier].values() if t.room is not None]
    if targets and ROOM in variants:
        axes.axhline(
            min(targets), color=_COLOURS[ROOM], linewidth=0.9, linestyle=(0, (6, 2)), label="target"
        )


def _rates(axes: Axes, variants: Mapping[str, Simulated]) -> None:
    longest = max(variants.values(), key=lambda one: len(one.course))
    seconds, asked = _per_minute(longest, "arrived")
    axes.fill_between(seconds, 0, asked, color="#E4E4E4", linewidth=0, label="asked for")
    for name in reversed(list(variants)):
        axes.plot(
            *_per_minute(variants[name], "admitted"),
            color=_COLOURS[name],
            linewidth=_WIDTHS[name],
            label=f"created, {name}",
        )
    axes.set_ylabel("runs a minute")
    axes.set_ylim(bottom=0)
    add_grid_and_legend(axes)


def _per_minute(one: Simulated, field: str) -> tuple[list[int], list[float]]:
    """Return the rate of a count, over the last few points of the course."""
    counts = [getattr(moment, field) for moment in one.course]
    seconds = [moment.second for moment in one.course]
    rates = []
    for index in range(len(counts)):
        first = max(0, index - _SMOOTH)
        passed = seconds[index] - seconds[first]
        rates.append((counts[index] - counts[first]) / passed * MINUTE if passed else 0.0)
    # Nothing has passed at the first point.
    return seconds, [*rates[1:2], *rates[1:]]


def _time_axis(axes: Axes, end: int) -> None:
    axes.set_xlim(0, max(end, 1))
    step = next((tick for tick in _TICKS if end / tick <= _MOST_TICKS), 24 * HOUR)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda second, _position: _clock(second)))
    axes.set_xlabel("since the start (h:mm)")


def _clock(second: float) -> str:
    hours, rest = divmod(round(second), HOUR)
    return f"{hours}:{rest // MINUTE:02}"
