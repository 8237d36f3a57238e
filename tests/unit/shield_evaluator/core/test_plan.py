"""Thresholds with contradicting bounds."""

import math

import pytest

from shield_evaluator.core.plan import Threshold


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        pytest.param(
            {"set": 0.8, "reset": 0.8}, r"reset \(0\.8\) must be below set \(0\.8\)", id="equal"
        ),
        pytest.param({"set": 0.8, "reset": 0.9}, "must be below set", id="reset above set"),
        pytest.param({"set": 0.8, "reset": 0.0}, "reset must be above 0", id="never reset"),
        pytest.param(
            {"set": 0.9, "reset": 0.8, "warn": 0.95},
            r"warn \(0\.95\) must not be above set \(0\.9\)",
            id="warned too late",
        ),
        pytest.param({"set": math.nan, "reset": 0.8}, "must be numbers", id="set is NaN"),
        pytest.param({"set": math.inf, "reset": 0.8}, "must be numbers", id="set is infinite"),
        pytest.param({"set": 0.9, "reset": math.nan}, "must be numbers", id="reset is NaN"),
        pytest.param({"set": 0.9, "reset": -0.1}, "must be numbers", id="reset is negative"),
        pytest.param({"set": 1e19, "reset": 1.0}, "must be numbers", id="beyond any document"),
        pytest.param(
            {"set": 0.9, "reset": 0.8, "warn": math.nan}, "must be numbers", id="warn is NaN"
        ),
        pytest.param(
            {"set": 0.9, "reset": 0.8, "set_for_ms": -1}, "must not be negative", id="set_for"
        ),
        pytest.param(
            {"set": 0.9, "reset": 0.8, "reset_for_ms": -1}, "must not be negative", id="reset_for"
        ),
    ],
)
def test_contradicting_bounds_are_refused(values: dict[str, float], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Threshold(**values)  # type: ignore[arg-type]  # the parameters' union is wider than each


def test_warn_may_equal_set() -> None:
    assert 0.9 == Threshold(set=0.9, reset=0.8, warn=0.9).warn


def test_warn_may_be_below_reset() -> None:
    assert 0.5 == Threshold(set=0.9, reset=0.8, warn=0.5).warn
