"""From samples to an observation: what is usable, what is partial, who is the worst."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.observation import MAX_SAMPLES, Sample, observe, unusable


def samples(*values: float) -> list[Sample]:
    return [Sample(f"member-{number}", value) for number, value in enumerate(values, 1)]


def test_the_worst_member_speaks_for_all() -> None:
    seen = observe(samples(0.2, 0.9, 0.5))
    assert (0.9, "member-2", 3) == (seen.value, seen.member, seen.members)


def test_all_members_make_it_complete() -> None:
    seen = observe(samples(0.2, 0.3, 0.4), expected_members=3)
    assert (False, None) == (seen.partial, seen.problem)


def test_p4_a_missing_member_makes_it_partial() -> None:
    seen = observe(samples(0.2, 0.3), expected_members=3)
    assert seen.partial
    assert "2 of 3 members answered" == seen.problem


def test_two_samples_of_one_member_count_as_one_member() -> None:
    twice = [Sample("a", 0.1), Sample("a", 0.2), Sample("b", 0.1)]
    seen = observe(twice, expected_members=3)
    assert (2, True) == (seen.members, seen.partial)


def test_more_members_than_expected_are_complete() -> None:
    assert not observe(samples(0.1, 0.1, 0.1, 0.1), expected_members=3).partial


def test_p4_a_warning_makes_it_partial() -> None:
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
class TestAValueThatIsNoMeasurement:
    def test_p3_alone_is_unusable(self, value: float) -> None:
        seen = observe(samples(value))
        assert (False, "no finite, non-negative sample") == (seen.usable, seen.problem)

    def test_p3_beside_good_ones_makes_them_partial(self, value: float) -> None:
        seen = observe(samples(0.5, value))
        assert (0.5, 1, True) == (seen.value, seen.members, seen.partial)


def test_zero_is_a_measurement() -> None:
    assert 0.0 == observe(samples(0.0)).value


def test_p3_no_samples_are_unusable() -> None:
    seen = observe([])
    assert (False, "no samples") == (seen.usable, seen.problem)


def test_p3_too_many_samples_are_unusable() -> None:
    seen = observe(samples(*([0.5] * (MAX_SAMPLES + 1))))
    assert (False, "10001 samples, at most 10000 make sense") == (seen.usable, seen.problem)


def test_as_many_samples_as_are_allowed_are_usable() -> None:
    assert observe(samples(*([0.5] * MAX_SAMPLES))).usable


def test_a_failed_query_says_why() -> None:
    assert "timeout" == unusable("timeout").problem


@given(
    st.lists(st.builds(Sample, st.text(), st.floats())),
    st.none() | st.integers(1, 9),
    st.lists(st.text(), max_size=2),
)
def test_e7_any_samples_give_an_observation(
    anything: list[Sample], expected: int | None, warnings: list[str]
) -> None:
    seen = observe(anything, expected_members=expected, warnings=warnings)
    assert seen.usable == any(0 <= sample.value <= 1e18 for sample in anything)
    assert seen.partial == (seen.usable and seen.problem is not None)
