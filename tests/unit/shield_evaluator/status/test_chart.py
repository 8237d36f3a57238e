"""The geometry of the status page's drawings."""

import pytest

from shield_evaluator.core.forecast import SPAN_MS, History
from shield_evaluator.core.plan import Threshold, Unit
from shield_evaluator.status import chart
from tests.unit.shield_evaluator.page_scenes import NOW_MS

THRESHOLD = Threshold(warn=0.8, set=0.9, reset=0.75)


def drawn(points: list[tuple[int, float]]) -> chart.Curve:
    """Return the curve through these points."""
    history = History()
    for ms, value in points:
        history.add(ms, value)
    return chart.curve(history, THRESHOLD, unit=Unit.RATIO, now_ms=NOW_MS, top=1.0)


def scale(value: float | None, *, complete: bool = True) -> chart.Scale:
    return chart.scale("standard", value, THRESHOLD, unit=Unit.RATIO, top=1.0, complete=complete)


def test_the_curve_spans_the_hour() -> None:
    curve = drawn([(NOW_MS - SPAN_MS + minute * 60_000, 0.5) for minute in range(1, 61)])
    assert pytest.approx((10.0, 600.0)) == (curve.lines[0][0][0], curve.lines[0][-1][0])


def test_a_gap_in_the_observations_is_a_gap_in_the_curve() -> None:
    early, late = NOW_MS - 600_000, NOW_MS - 60_000
    times = [early, early + 20_000, late, late + 20_000]
    assert 2 == len(drawn([(ms, 0.5) for ms in times]).lines)


def test_a_short_peak_is_kept_when_points_are_thinned() -> None:
    times = [NOW_MS - SPAN_MS + second * 5_000 for second in range(1, 721)]
    curve = drawn([(ms, 0.99 if index == 333 else 0.2) for index, ms in enumerate(times)])
    assert 1 == sum(y < 5 for _, y in curve.lines[0])


def test_the_curve_is_described_by_its_ends_and_extremes() -> None:
    curve = drawn(
        [(NOW_MS - 180_000 + 60_000 * minute, v) for minute, v in enumerate((0.5, 0.7, 0.6))]
    )
    assert "the last hour: from 50% to 60%, lowest 50%, highest 70%" == curve.words


@pytest.mark.parametrize(
    ("unit", "value", "top"),
    [(Unit.RATIO, 1.7, 1.0), (Unit.NUMBER, 0.1, 1.125), (Unit.NUMBER, 5.0, 5.0)],
)
def test_the_axis_of_a_ratio_ends_at_one_and_of_a_number_where_it_fits(
    unit: Unit, value: float, top: float
) -> None:
    assert top == chart.axis_top(unit, {"standard": THRESHOLD}, [value])


@pytest.mark.parametrize(
    ("value", "effect", "level"),
    [
        pytest.param(0.5, "admits", "good", id="below reset"),
        pytest.param(0.75, "holds", "near", id="at reset"),
        pytest.param(0.82, "holds", "near", id="between"),
        pytest.param(0.9, "denies", "over", id="at set"),
        pytest.param(None, "unknown", "unknown", id="no value"),
    ],
)
def test_a_scale_shows_what_the_value_does_to_the_tier(
    value: float | None, effect: str, level: str
) -> None:
    assert (effect, level) == (scale(value).effect, scale(value).level)


def test_an_incomplete_low_value_holds() -> None:
    assert chart.Effect.HOLDS is scale(0.5, complete=False).effect


def test_a_value_above_warn_is_not_good_even_where_it_admits() -> None:
    threshold = Threshold(warn=0.6, set=0.9, reset=0.75)
    warned = chart.scale("a", 0.7, threshold, unit=Unit.RATIO, top=1.0, complete=True)
    assert ("admits", "near") == (warned.effect, warned.level)


def test_a_scale_places_thresholds_and_value_as_percentages() -> None:
    drawing = scale(0.5)
    assert (50.0, 75.0, 80.0, 90.0) == (drawing.value, drawing.reset, drawing.warn, drawing.set)


def test_a_value_beyond_the_axis_ends_at_its_end() -> None:
    assert 100.0 == scale(1.7).value
