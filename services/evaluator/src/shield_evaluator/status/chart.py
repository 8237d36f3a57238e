"""A signal as pictures: a bar with its thresholds, and the last hour as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common.decision import format_value
from shield_evaluator.core.forecast import SPAN_MS
from shield_evaluator.core.plan import Unit
from shield_evaluator.status.tree import Element, element

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.plan import Threshold

# User units of the line's picture; the page stretches it to its width.
WIDTH: Final = 600.0
HEIGHT: Final = 72.0
MAX_POINTS: Final = 300  # two per pixel of a phone
GAP_MS: Final = 60_000  # longer without a complete observation is a hole in the line
ROOM: Final = 1.25  # above the highest threshold of a signal that is no ratio


def top_of(unit: Unit, thresholds: Mapping[str, Threshold], values: Iterable[float]) -> float:
    """Return the value at the right end of the bar and at the top of the line."""
    if unit is Unit.RATIO:
        return 1.0
    highest = max((threshold.set for threshold in thresholds.values()), default=1.0)
    return max(highest * ROOM, *values, 1e-9)


def bar(
    value: float | None, thresholds: Mapping[str, Threshold], *, unit: Unit, top: float, level: str
) -> Element:
    """Draw how far a signal is.

    Args:
        value: the worst member's; None draws an empty bar.
        thresholds: by tier; each gives a mark for set, reset and warn.
        unit: the value's.
        top: the value at the right end.
        level: ``good``, ``near`` or ``over``: the colour.
    """
    share = 0.0 if value is None else min(value / top, 1.0) * 100
    words = "no value" if value is None else format_value(value, unit)
    parts = [
        element("rect", {"class": "track", "y": 8, "width": "100%", "height": 18, "rx": 4}),
        element(
            "rect",
            {"class": f"fill {level}", "y": 8, "width": f"{share:.2f}%", "height": 18, "rx": 4},
        ),
    ]
    for tier, threshold in thresholds.items():
        marks = {"reset": threshold.reset, "warn": threshold.warn, "set": threshold.set}
        for bound, at in marks.items():
            if at is not None and at <= top:
                x = f"{at / top * 100:.2f}%"
                said = element("title", None, f"{tier}: {bound} {format_value(at, unit)}")
                ends: dict[str, str | float] = {"x1": x, "x2": x, "y1": 2, "y2": 32}
                # A rim keeps a mark visible on the filled part.
                parts.append(element("line", {"class": "rim", **ends}))
                parts.append(element("line", {"class": f"mark {bound}", **ends}, said))
    return element(
        "svg",
        {"class": "bar", "width": "100%", "height": 34, "role": "img", "aria-label": words},
        *parts,
    )


def line(
    history: History, thresholds: Mapping[str, Threshold], *, now_ms: int, top: float, tier: str
) -> Element:
    """Draw the last hour of a signal, with one tier's thresholds.

    Args:
        history: its points.
        thresholds: by tier.
        now_ms: the right end, on the history's clock.
        top: the value at the top.
        tier: whose set and reset are drawn.
    """

    def y(value: float) -> float:
        return HEIGHT - min(value / top, 1.0) * (HEIGHT - 2) - 1

    parts = []
    threshold = thresholds.get(tier)
    if threshold is not None:
        for bound, at in (("set", threshold.set), ("reset", threshold.reset)):
            if at <= top:
                ends: dict[str, str | float] = {"x1": 0.0, "x2": WIDTH, "y1": y(at), "y2": y(at)}
                parts.append(element("line", {"class": f"limit {bound}", **ends}))
    for run in _runs(_thinned(history, now_ms)):
        points = [(WIDTH * (1 - (now_ms - ms) / SPAN_MS), y(value)) for ms, value in run]
        joined = " ".join(f"{x:.1f},{height:.1f}" for x, height in points)
        area = f"{points[0][0]:.1f},{HEIGHT} {joined} {points[-1][0]:.1f},{HEIGHT}"
        parts.append(element("polygon", {"class": "area", "points": area}))
        parts.append(element("polyline", {"class": "curve", "points": joined}))
    return element(
        "svg",
        {
            "class": "line",
            "viewBox": f"0 0 {WIDTH:g} {HEIGHT:g}",
            "preserveAspectRatio": "none",
            "role": "img",
            "aria-label": "the last hour",
        },
        *parts,
    )


def _thinned(history: History, now_ms: int) -> list[tuple[int, float]]:
    """Keep the highest value of each of `MAX_POINTS` stretches: peaks are what matters."""
    highest: dict[int, tuple[int, float]] = {}
    for ms, value in history.points:
        if ms <= now_ms - SPAN_MS:
            continue
        stretch = ms // (SPAN_MS // MAX_POINTS)
        if stretch not in highest or value > highest[stretch][1]:
            highest[stretch] = (ms, value)
    return sorted(highest.values())


def _runs(points: list[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    run: list[tuple[int, float]] = []
    for point in points:
        if run and point[0] - run[-1][0] > GAP_MS:
            yield run
            run = []
        run.append(point)
    if run:
        yield run
