"""Whole stories, told with a clock that is stepped by hand."""

from itertools import pairwise

import pytest

from shield_evaluator.core.latch import advance
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import OnBlind, Plan, Threshold
from shield_evaluator.core.state import ShieldState
from tests.unit.shield_evaluator.plans import (
    SIGNAL,
    TIER,
    USUAL,
    at,
    complete,
    one_latch,
    partial,
    signal_plan,
    silent,
)

Line = tuple[float, Observation]


def bits(plan: Plan, *story: Line) -> list[bool]:
    """Return the tier's bit after each line of a story."""
    state, told = ShieldState(), []
    for seconds, observation in story:
        state = advance(plan, state, {SIGNAL: observation}, at(seconds))
        told.append(state.bits[TIER].allow)
    return told


def changes(told: list[bool]) -> int:
    return sum(one is not other for one, other in pairwise(told))


def test_a_day_of_fill_compaction_and_defragmentation() -> None:
    story = [
        (0, complete(0.50)),  # quiet
        (5, complete(0.85)),  # filling, inside the band
        (10, complete(0.91)),  # too full
        (15, silent()),  # Prometheus restarts
        (20, complete(0.85)),  # compaction helps, not enough
        (25, partial(0.40)),  # one member was defragmented, another does not answer
        (30, complete(0.80)),  # exactly reset is not below reset
        (35, complete(0.79)),  # room again
        (40, complete(0.89)),  # filling again, inside the band
    ]
    expected = [True, True, False, False, False, False, False, True, True]
    assert expected == bits(one_latch(), *story)


def test_e6_swings_between_the_thresholds_change_nothing() -> None:
    swings = [(n * 5, complete(0.81 if n % 2 else 0.89)) for n in range(100)]
    assert 0 == changes(bits(one_latch(), (0, complete(0.5)), *swings))


@pytest.mark.parametrize(
    ("first", "low", "high"),
    [
        pytest.param(0.5, 0.89, 0.91, id="across set"),
        pytest.param(0.95, 0.79, 0.81, id="across reset"),
    ],
)
def test_e6_swings_across_one_threshold_change_the_bit_once(
    first: float, low: float, high: float
) -> None:
    swings = [(n * 5, complete(low if n % 2 else high)) for n in range(100)]
    assert 1 == changes(bits(one_latch(), (0, complete(first)), *swings))


@pytest.mark.parametrize(
    ("on_blind", "expected"),
    [
        pytest.param(OnBlind.HOLD, [False, False, False, False], id="hold"),
        pytest.param(OnBlind.DENY, [False, False, False, False], id="deny"),
        pytest.param(OnBlind.ALLOW, [False, False, True, False], id="allow"),
    ],
)
def test_p1_on_blind_after_a_denial(on_blind: OnBlind, expected: list[bool]) -> None:
    story = [(0, complete(0.95)), (119, silent()), (120, silent()), (125, complete(0.85))]
    assert expected == bits(one_latch(on_blind=on_blind), *story)


@pytest.mark.parametrize(
    ("on_blind", "expected"),
    [
        pytest.param(OnBlind.HOLD, [True, True, True, True], id="hold"),
        pytest.param(OnBlind.DENY, [True, True, False, True], id="deny"),
        pytest.param(OnBlind.ALLOW, [True, True, True, True], id="allow"),
    ],
)
def test_p1_on_blind_while_admitting(on_blind: OnBlind, expected: list[bool]) -> None:
    story = [(0, complete(0.5)), (119, silent()), (120, silent()), (125, complete(0.85))]
    assert expected == bits(one_latch(on_blind=on_blind), *story)


def test_p4_a_partial_observation_is_not_blindness() -> None:
    story = [(0, complete(0.95)), *((n * 60, partial(0.5)) for n in range(1, 10))]
    assert not any(bits(one_latch(on_blind=OnBlind.ALLOW), *story))


def test_p4_a_partial_observation_sets_and_never_resets() -> None:
    story = [(0, complete(0.5)), (5, partial(0.95)), (10, partial(0.1)), (15, complete(0.1))]
    assert [True, False, False, True] == bits(one_latch(), *story)


def test_a_tier_admits_only_after_every_signal_reset() -> None:
    plan = Plan(
        signals={"db-file": signal_plan(), "db-in-use": signal_plan()},
        tiers={TIER: {"db-file": USUAL, "db-in-use": Threshold(set=0.85, reset=0.75)}},
        default_tier=TIER,
    )
    story = [(0.95, 0.90), (0.95, 0.50), (0.79, 0.50)]  # full, compacted, defragmented
    state, told = ShieldState(), []
    for number, (db_file, in_use) in enumerate(story):
        seen = {"db-file": complete(db_file), "db-in-use": complete(in_use)}
        state = advance(plan, state, seen, at(5 * number))
        told.append(state.bits[TIER].allow)
    assert [False, False, True] == told


def test_tiers_deny_at_their_own_thresholds() -> None:
    plan = Plan(
        signals={SIGNAL: signal_plan()},
        tiers={"critical": {SIGNAL: Threshold(set=0.97, reset=0.93)}, TIER: {SIGNAL: USUAL}},
        default_tier=TIER,
    )
    state = advance(plan, ShieldState(), {SIGNAL: complete(0.95)}, at(0))
    assert (False, True) == (state.bits[TIER].allow, state.bits["critical"].allow)
