"""Samples to an observation: usable, partial, and the worst member."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.observation import MAX_SAMPLES, Sample, observe, unusable


def samples(*values: float) -> list[Sample]:
    return [Sample(f"member-{number}", value) for number, value in enumerate(values, 1)]


def test_the_value_is_the_worst_members() -> None:
    seen = observe(samples(0.2, 0.9, 0.5))
    assert (0.9, "member-2", 3) == (seen.value, seen.member, seen.member_count)


def test_all_expected_members_are_complete() -> None:
    seen = observe(samples(0.2, 0.3, 0.4), expected_members=3)
    assert (False, None) == (seen.partial, seen.problem)


def test_p4_a_missing_member_is_partial() -> None:
    seen = observe(samples(0.2, 0.3), expected_members=3)
    assert seen.partial
    assert "2 of 3 members answered" == seen.problem


def test_two_samples_with_one_name_are_one_member() -> None:
    twice = [Sample("a", 0.1), Sample("a", 0.2), Sample("b", 0.1)]
    seen = observe(twice, expected_members=3)
    assert (2, True) == (seen.member_count, seen.partial)


@pytest.mark.shows("trial S5")
def test_t2_more_members_than_expected_are_partial() -> None:
    seen = observe(samples(0.1, 0.1, 0.1, 0.1), expected_members=3)
    assert seen.partial
    assert "4 members answered, but members is 3" in (seen.problem or "")


def test_p4_a_warning_is_partial() -> None:
    seen = observe(samples(0.2), warnings=["store unreachable"])
    assert seen.partial
    assert "Prometheus warned: store unreachable" == seen.problem


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(math.nan, id="NaN"),
        pytest.param(math.inf, id="+Inf"),
        pytest.param(-math.inf, id="-Inf"),
        pytest.param(-0.1, id="negative"),
        pytest.param(1e19, id="more than a document can carry"),
    ],
)
class TestInvalidValues:
    def test_p3_an_invalid_value_alone_is_unusable(self, value: float) -> None:
        seen = observe(samples(value))
        assert (False, "no finite, non-negative sample") == (seen.usable, seen.problem)

    def test_p3_an_invalid_value_beside_valid_ones_is_partial(self, value: float) -> None:
        seen = observe(samples(0.5, value))
        assert (0.5, 1, True) == (seen.value, seen.member_count, seen.partial)


def test_a_sample_of_zero_is_usable() -> None:
    assert 0.0 == observe(samples(0.0)).value


def test_p3_no_samples_are_unusable() -> None:
    seen = observe([])
    assert not seen.usable
    assert "no samples: docs/metrics-sources.md" in (seen.problem or "")


def test_p3_too_many_samples_are_unusable() -> None:
    seen = observe(samples(*([0.5] * (MAX_SAMPLES + 1))))
    assert (False, "10001 samples, at most 10000 make sense") == (seen.usable, seen.problem)


def test_the_maximum_number_of_samples_is_usable() -> None:
    assert observe(samples(*([0.5] * MAX_SAMPLES))).usable


def test_unusable_states_its_problem() -> None:
    assert "timeout" == unusable("timeout").problem


@given(
    st.lists(st.builds(Sample, st.text(), st.floats())),
    st.none() | st.integers(1, 9),
    st.lists(st.text(), max_size=2),
)
def test_e7_arbitrary_samples_give_an_observation(
    anything: list[Sample], expected: int | None, warnings: list[str]
) -> None:
    seen = observe(anything, expected_members=expected, warnings=warnings)
    assert seen.usable == any(0 <= sample.value <= 1e18 for sample in anything)
    assert seen.partial == (seen.usable and seen.problem is not None)
