"""The forecast: where a line through the values since the last drop meets the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.forecast import SPACING_MS, SPAN_MS, History
from shield_evaluator.core.plan import HORIZON_SECONDS


def history(*values: float, every: float = 10) -> History:
    made = History()
    for number, value in enumerate(values):
        made.add(round(number * every * 1000), value)
    return made


def forecast(made: History, limit: float, *, later: float = 0) -> float | None:
    """Forecast so many seconds after the last value."""
    last = made.points[-1][0] if made.points else 0
    return made.seconds_to(limit, now_ms=last + round(later * 1000))


def test_a_steady_climb_is_extrapolated() -> None:
    assert 100 == pytest.approx(forecast(history(0.70, 0.80, 0.90), 1.90))


@pytest.mark.parametrize(("later", "left"), [(30, 70), (100, 0), (150, 0)])
def test_the_time_since_the_last_value_is_subtracted(later: float, left: float) -> None:
    assert left == pytest.approx(forecast(history(0.70, 0.80, 0.90), 1.90, later=later))


def test_a_value_at_the_limit_gives_zero() -> None:
    assert 0.0 == forecast(history(0.9, 1.0), 1.0)


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([], id="nothing"),
        pytest.param([0.5, 0.6], id="two points"),
        pytest.param([0.5, 0.5, 0.5], id="flat"),
        pytest.param([0.503, 0.502, 0.501], id="falling slowly"),
        pytest.param([0.9, 0.7, 0.5], id="falling fast"),
    ],
)
def test_no_forecast_without_a_climb(values: list[float]) -> None:
    assert None is forecast(history(*values), 1.0)


def test_no_forecast_beyond_the_horizon() -> None:
    assert None is forecast(history(0.5, 0.500_000_1, 0.500_000_2), 1.0)


def test_values_before_the_last_drop_do_not_count() -> None:
    after_defrag = history(0.80, 0.85, 0.90, 0.30, 0.31, 0.32)
    assert 680 == pytest.approx(forecast(after_defrag, 1.0))


def test_noise_is_not_a_drop() -> None:
    noisy = history(0.50, 0.52, 0.517, 0.54, 0.56)
    assert 5 == len(noisy.points)
    assert 290 == pytest.approx(forecast(noisy, 1.0) or 0, rel=0.1)


def test_the_history_spans_one_hour() -> None:
    made = History()
    for at in range(0, 2 * SPAN_MS, SPACING_MS):
        made.add(at, 0.5)
    assert SPAN_MS == made.points[-1][0] - made.points[0][0]


def test_short_cycles_do_not_lengthen_the_history() -> None:
    made = History()
    for at in range(0, SPAN_MS, 100):
        made.add(at, 0.5)
    assert len(made.points) <= 1.1 * SPAN_MS / SPACING_MS


def test_the_last_value_is_always_kept() -> None:
    made = history(0.1, 0.2, 0.3, 0.4, every=1)
    assert 0.4 == made.points[-1][1]


@given(
    st.lists(st.tuples(st.integers(0, 10**7), st.floats(min_value=0, max_value=1e18)), max_size=50),
    st.floats(min_value=0, max_value=1e18),
)
def test_e7_arbitrary_histories_give_a_forecast_or_none(
    steps: list[tuple[int, float]], limit: float
) -> None:
    made, now = History(), 0
    for step, value in steps:
        now += step
        made.add(now, value)
    seconds = forecast(made, limit)
    assert seconds is None or 0 <= seconds <= HORIZON_SECONDS
