"""A calibration as a picture. Needs the extra ``plot``."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from shield_evaluator.drawing import DAY_MS, label_days, picture

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from shield_evaluator.calibrate.fit import Calibration, Fitted, Point
    from shield_evaluator.calibrate.history import RunHistory

_HEIGHT: Final = 4.2  # inches
_MIB: Final = 1024**2
_MINUTE: Final = 60
_COLUMNS: Final = 300  # points of a line
_MEASURED, _LIGHT, _EXPLAINED, _OTHER = "#333333", "#B5B5B5", "#0072B2", "#E69F00"


def draw(path: Path, history: RunHistory, fitted: Fitted) -> None:
    """Draw a picture into a file.

    Args:
        path: the file; see `drawing.picture`.
        history: what was looked at.
        fitted: what was found.

    Raises:
        SamplesError: the file cannot be written.
    """
    cost, interval = fitted.calibration.run_cost, fitted.calibration.run_cost_interval
    title = (
        f"etcd-shield calibration: a run writes {cost / _MIB:.2f} MiB"
        f" ({interval.low / _MIB:.2f} to {interval.high / _MIB:.2f})"
    )
    with picture(path, title, height=_HEIGHT) as figure:
        scatter, course = figure.subplots(1, 2, width_ratios=(1, 1.6))
        _scatter(scatter, fitted)
        _course(course, history, fitted)


def _scatter(axes: Axes, fitted: Fitted) -> None:
    points, calibration = fitted.points, fitted.calibration
    runs = [point.runs / point.seconds * _MINUTE for point in points]
    growth = [point.bytes / point.seconds * _MINUTE / _MIB for point in points]
    axes.scatter(runs, growth, s=5, color=_MEASURED, alpha=0.25, linewidths=0, label="measured")
    ends = [0.0, max(runs)]
    for cost, style in (
        (calibration.run_cost, "-"),
        (calibration.run_cost_interval.low, ":"),
        (calibration.run_cost_interval.high, ":"),
    ):
        line = [(cost * end + calibration.other_growth * _MINUTE) / _MIB for end in ends]
        label = "run_cost (dotted: 90 of 100)" if style == "-" else None
        axes.plot(ends, line, style, color=_EXPLAINED, linewidth=1.3, label=label)
    axes.set_xlabel("runs written a minute")
    axes.set_ylabel("growth between compactions, MiB a minute")
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _course(axes: Axes, history: RunHistory, fitted: Fitted) -> None:
    calibration = fitted.calibration
    columns = _columns(history, fitted.points)
    times = [
        (history.start_ms + column * history.step_seconds * 1000) / DAY_MS for column in columns
    ]

    def rates(size: Callable[[Point], float]) -> list[float]:
        return [
            sum(size(point) for point in points)
            / sum(point.seconds for point in points)
            * _MINUTE
            / _MIB
            for points in columns.values()
        ]

    axes.plot(times, rates(lambda point: point.bytes), color=_LIGHT, lw=3.0, label="measured")
    axes.plot(
        times,
        rates(lambda p: _expected(calibration, p)),
        color=_EXPLAINED,
        linewidth=1.1,
        label="explained: runs and the rest",
    )
    axes.plot(
        times,
        rates(lambda point: calibration.other_growth * point.seconds),
        color=_OTHER,
        linewidth=1.1,
        label="the rest",
    )
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    label_days(axes)


def _expected(calibration: Calibration, point: Point) -> float:
    return calibration.run_cost * point.runs + calibration.other_growth * point.seconds


def _columns(history: RunHistory, points: Sequence[Point]) -> dict[float, list[Point]]:
    """Return the points of each column of the picture, by the step in its middle."""
    width = max(1.0, history.steps / _COLUMNS)
    columns: defaultdict[float, list[Point]] = defaultdict(list)
    for point in points:
        columns[(point.step // width + 0.5) * width].append(point)
    return dict(sorted(columns.items()))
