"""Geometry of a signal's drawings: one scale per tier, and the last hour as a curve.

Only numbers and texts come out of here; ``template.html`` turns them into SVG.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_common.text import format_value
from shield_evaluator.core.forecast import SPAN_MS
from shield_evaluator.core.plan import Unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.plan import Threshold

# User units of the curve; the page stretches it to its own width.
WIDTH: Final = 600.0
HEIGHT: Final = 110.0
MAX_POINTS: Final = 300  # two per pixel of a phone
GAP_MS: Final = 60_000  # a longer time without a complete observation leaves a gap in the curve
HEADROOM: Final = 1.25  # above the highest threshold, for a signal that is not a ratio

Point = tuple[float, float]  # x to the right, y downwards


class Effect(enum.StrEnum):
    """What a value does to a tier; ``shield-evaluator check`` uses it as well."""

    DENIES = "denies"
    HOLDS = "holds"  # the tier stays as it is
    ADMITS = "admits"
    UNKNOWN = "unknown"  # there is no value


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One signal's value on one tier's thresholds; positions are percentages of the width.

    Attributes:
        tier: whose thresholds these are.
        value: where the value ends.
        expected: where it will end once admitted runs have written; not before `value`.
        set: where the denying zone begins.
        reset: where the holding zone begins.
        warn: where warnings begin; None without them.
        effect: what the value does to this tier.
        level: ``good``, ``near``, ``over`` or ``unknown``: the bar's colour.
        words: the same in words, for those who do not see it.
    """

    tier: str
    value: float
    expected: float
    set: float
    reset: float
    warn: float | None
    effect: Effect
    level: str
    words: str


@dataclass(frozen=True, slots=True)
class Limit:
    """A threshold across the curve.

    Attributes:
        bound: ``set`` or ``reset``.
        y: its height, from the top.
        label_y: the baseline of its label.
        label: for example ``set 90%``.
    """

    bound: str
    y: float
    label_y: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The last hour of a signal, in a box of `WIDTH` by `HEIGHT`.

    Attributes:
        lines: the points of each piece without a gap.
        areas: the outline of what is below each piece.
        limits: the default tier's thresholds.
        ticks: labels of the vertical axis, from the top down.
        words: the same in words, for those who do not see it.
    """

    lines: list[list[Point]]
    areas: list[list[Point]]
    limits: list[Limit]
    ticks: list[str]
    words: str


def axis_top(unit: Unit, thresholds: Mapping[str, Threshold], values: Iterable[float]) -> float:
    """Return the value at the right end of the scales and at the top of the curve."""
    if unit is Unit.RATIO:
        return 1.0
    highest = max((threshold.set for threshold in thresholds.values()), default=1.0)
    return max(highest * HEADROOM, *values, 1e-9)


def scale(
    tier: str,
    value: float | None,
    threshold: Threshold,
    *,
    unit: Unit,
    top: float,
    complete: bool,
    expected: float | None = None,
) -> Scale:
    """Place a value on a tier's thresholds.

    Args:
        tier: the tier's name.
        value: the worst member's; None leaves the bar empty.
        threshold: the tier's bounds for this signal.
        unit: the value's.
        top: the value at the right end.
        complete: whether every member answered; an incomplete low value does not admit.
        expected: the value once admitted runs have written; None if that is not known.
    """

    def at(bound: float) -> float:
        return min(bound / top, 1.0) * 100

    effect = _effect(value, threshold, complete=complete)
    bounds = {"reset": threshold.reset, "warn": threshold.warn, "set": threshold.set}
    written = [f"{n} {format_value(b, unit)}" for n, b in bounds.items() if b is not None]
    now = "no value" if value is None else f"{format_value(value, unit)} {effect}"
    end = 0.0 if value is None else at(value)
    if value is not None and expected is not None and expected > value:
        now += f", {format_value(expected, unit)} once admitted runs have written"
    return Scale(
        tier=tier,
        value=end,
        expected=end if value is None or expected is None else max(end, at(expected)),
        set=at(threshold.set),
        reset=at(threshold.reset),
        warn=None if threshold.warn is None else at(threshold.warn),
        effect=effect,
        level=_level(value, threshold, effect),
        words=f"{tier}: {now}; {', '.join(written)}",
    )


def _effect(value: float | None, threshold: Threshold, *, complete: bool) -> Effect:
    if value is None:
        return Effect.UNKNOWN
    if value >= threshold.set:
        return Effect.DENIES
    return Effect.ADMITS if value < threshold.reset and complete else Effect.HOLDS


def _level(value: float | None, threshold: Threshold, effect: Effect) -> str:
    if value is None:
        return "unknown"
    if effect is Effect.DENIES:
        return "over"
    warned = threshold.warn is not None and value >= threshold.warn
    return "near" if warned or effect is Effect.HOLDS else "good"


def ticks(unit: Unit, top: float) -> list[str]:
    """Return the labels of an axis from 0 to its end; only a ratio has a round middle."""
    shares = (0, 0.5, 1) if unit is Unit.RATIO else (0, 1)
    return [format_value(top * share, unit) for share in shares]


def curve(
    history: History, threshold: Threshold | None, *, unit: Unit, now_ms: int, top: float
) -> Curve:
    """Draw the last hour.

    Args:
        history: the signal's points; not empty.
        threshold: the default tier's; None if that tier does not use the signal.
        unit: the values'.
        now_ms: the right end, on the history's clock.
        top: the value at the top.
    """
    lines: list[list[Point]] = []
    areas: list[list[Point]] = []
    for piece in _pieces(_thinned(history, now_ms)):
        points = [(WIDTH * (1 - (now_ms - ms) / SPAN_MS), _y(value, top)) for ms, value in piece]
        lines.append(points)
        areas.append([(points[0][0], HEIGHT), *points, (points[-1][0], HEIGHT)])
    values = [value for _, value in history.points]
    first, last, low, high = (
        format_value(value, unit) for value in (values[0], values[-1], min(values), max(values))
    )
    return Curve(
        lines=lines,
        areas=areas,
        limits=[] if threshold is None else _limits(threshold, unit, top),
        ticks=ticks(unit, top)[::-1],
        words=f"the last hour: from {first} to {last}, lowest {low}, highest {high}",
    )


def _y(value: float, top: float) -> float:
    return HEIGHT - min(value / top, 1.0) * HEIGHT


def _limits(threshold: Threshold, unit: Unit, top: float) -> list[Limit]:
    # The label of set is above its line and that of reset below, so that they never overlap.
    bounds = (("set", threshold.set, -4.0), ("reset", threshold.reset, 12.0))
    return [
        Limit(bound, _y(at, top), _y(at, top) + offset, f"{bound} {format_value(at, unit)}")
        for bound, at, offset in bounds
        if at <= top
    ]


def _thinned(history: History, now_ms: int) -> list[tuple[int, float]]:
    """Keep the highest value of each of `MAX_POINTS` intervals: peaks are what matters."""
    highest: dict[int, tuple[int, float]] = {}
    for ms, value in history.points:
        if ms <= now_ms - SPAN_MS:
            continue
        interval = ms // (SPAN_MS // MAX_POINTS)
        if interval not in highest or value > highest[interval][1]:
            highest[interval] = (ms, value)
    return sorted(highest.values())


def _pieces(points: list[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    piece: list[tuple[int, float]] = []
    for point in points:
        if piece and point[0] - piece[-1][0] > GAP_MS:
            yield piece
            piece = []
        piece.append(point)
    if piece:
        yield piece
