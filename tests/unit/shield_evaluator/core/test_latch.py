"""Single transitions: the table at the top of `core.latch`, row by row."""

import pytest

from shield_evaluator.core.latch import advance, blind_signals, effective_state, latches_allow, step
from shield_evaluator.core.observation import Comparison, Observation, compare
from shield_evaluator.core.plan import ColdStart, OnBlind, Plan, Threshold
from shield_evaluator.core.state import Latch, LatchState, ShieldState, TierBit
from tests.unit.shield_evaluator.plans import (
    EPOCH,
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

UNKNOWN, RESET, SET = LatchState.UNKNOWN, LatchState.RESET, LatchState.SET


@pytest.mark.parametrize(
    ("observation", "comparison"),
    [
        pytest.param(complete(0.91), Comparison.ABOVE, id="above set"),
        pytest.param(complete(0.90), Comparison.ABOVE, id="exactly set"),
        pytest.param(complete(0.8999), Comparison.BETWEEN, id="just below set"),
        pytest.param(complete(0.80), Comparison.BETWEEN, id="exactly reset"),
        pytest.param(complete(0.7999), Comparison.BELOW, id="just below reset"),
        pytest.param(complete(0.0), Comparison.BELOW, id="empty"),
        pytest.param(partial(0.90), Comparison.ABOVE, id="P4 a partial one proves that it is high"),
        pytest.param(
            partial(0.85), Comparison.UNPROVEN, id="P4 a partial one between proves nothing"
        ),
        pytest.param(partial(0.10), Comparison.UNPROVEN, id="P4 a partial one never proves low"),
        pytest.param(silent(), Comparison.UNPROVEN, id="unusable"),
    ],
)
def test_an_observation_is_compared_with_a_threshold(
    observation: Observation, comparison: Comparison
) -> None:
    assert comparison is compare(observation, USUAL)


@pytest.mark.parametrize(
    ("state", "comparison", "after"),
    [
        pytest.param(UNKNOWN, Comparison.ABOVE, SET, id="unknown, above"),
        pytest.param(UNKNOWN, Comparison.BELOW, RESET, id="unknown, below"),
        pytest.param(UNKNOWN, Comparison.BETWEEN, RESET, id="unknown, between: cold start"),
        pytest.param(UNKNOWN, Comparison.UNPROVEN, UNKNOWN, id="unknown, silent"),
        pytest.param(RESET, Comparison.ABOVE, SET, id="reset, above"),
        pytest.param(RESET, Comparison.BELOW, RESET, id="reset, below"),
        pytest.param(RESET, Comparison.BETWEEN, RESET, id="reset, between"),
        pytest.param(RESET, Comparison.UNPROVEN, RESET, id="reset, silent"),
        pytest.param(SET, Comparison.ABOVE, SET, id="set, above"),
        pytest.param(SET, Comparison.BELOW, RESET, id="set, below"),
        pytest.param(SET, Comparison.BETWEEN, SET, id="set, between"),
        pytest.param(SET, Comparison.UNPROVEN, SET, id="set, silent"),
    ],
)
def test_latch_state_after_a_comparison(
    state: LatchState, comparison: Comparison, after: LatchState
) -> None:
    moved = step(Latch(state), comparison, USUAL, now_ms=0, cold_start=ColdStart.RESET)
    assert after is moved.state


def test_cold_start_set_sets_a_latch_between_the_thresholds() -> None:
    moved = step(Latch(), Comparison.BETWEEN, USUAL, now_ms=0, cold_start=ColdStart.SET)
    assert SET is moved.state


def run(threshold: Threshold, *story: tuple[float, Comparison], start: LatchState = RESET) -> Latch:
    latch = Latch(start)
    for seconds, comparison in story:
        latch = step(
            latch,
            comparison,
            threshold,
            now_ms=round(seconds * 1000),
            cold_start=ColdStart.RESET,
        )
    return latch


class TestSetFor:
    threshold = Threshold(set=0.9, reset=0.8, set_for_ms=10_000)

    def test_the_latch_sets_exactly_after_set_for(self) -> None:
        story = [(0, Comparison.ABOVE), (5, Comparison.ABOVE), (9.999, Comparison.ABOVE)]
        assert RESET is run(self.threshold, *story).state
        assert SET is run(self.threshold, *story, (10, Comparison.ABOVE)).state

    @pytest.mark.parametrize("dip", [Comparison.BETWEEN, Comparison.BELOW])
    def test_a_proven_dip_restarts_set_for(self, dip: Comparison) -> None:
        story = [(0, Comparison.ABOVE), (5, dip), (6, Comparison.ABOVE), (12, Comparison.ABOVE)]
        assert RESET is run(self.threshold, *story).state
        assert SET is run(self.threshold, *story, (16, Comparison.ABOVE)).state

    def test_a_missing_observation_does_not_delay_set_for(self) -> None:
        story = [(0, Comparison.ABOVE), (5, Comparison.UNPROVEN), (10, Comparison.ABOVE)]
        assert SET is run(self.threshold, *story).state

    def test_missing_observations_alone_never_set(self) -> None:
        story = [(0, Comparison.ABOVE), (60, Comparison.UNPROVEN)]
        assert RESET is run(self.threshold, *story).state


class TestResetFor:
    threshold = Threshold(set=0.9, reset=0.8, reset_for_ms=10_000)

    def test_the_latch_resets_exactly_after_reset_for(self) -> None:
        story = [(0, Comparison.BELOW), (9.999, Comparison.BELOW)]
        assert SET is run(self.threshold, *story, start=SET).state
        assert RESET is run(self.threshold, *story, (10, Comparison.BELOW), start=SET).state

    @pytest.mark.parametrize("doubt", [Comparison.BETWEEN, Comparison.ABOVE, Comparison.UNPROVEN])
    def test_anything_but_below_restarts_reset_for(self, doubt: Comparison) -> None:
        story = [(0, Comparison.BELOW), (5, doubt), (6, Comparison.BELOW), (12, Comparison.BELOW)]
        assert SET is run(self.threshold, *story, start=SET).state
        assert RESET is run(self.threshold, *story, (16, Comparison.BELOW), start=SET).state

    def test_an_unknown_latch_waits_for_reset_for(self) -> None:
        assert UNKNOWN is run(self.threshold, (0, Comparison.BELOW), start=UNKNOWN).state


@pytest.mark.parametrize(("age", "blind"), [(119_999, False), (120_000, True)])
def test_a_signal_is_blind_exactly_after_blind_after(age: int, blind: bool) -> None:
    blinded = blind_signals(one_latch(), {SIGNAL: 5_000}, now_ms=5_000 + age)
    assert blind is (SIGNAL in blinded)


@pytest.mark.parametrize("state", list(LatchState))
@pytest.mark.parametrize(
    ("on_blind", "forced"), [(OnBlind.HOLD, None), (OnBlind.DENY, SET), (OnBlind.ALLOW, RESET)]
)
def test_a_blind_signal_counts_by_on_blind(
    state: LatchState, on_blind: OnBlind, forced: LatchState | None
) -> None:
    counted = effective_state(Latch(state), signal_plan(on_blind=on_blind), blind=True)
    assert (forced or state) is counted


@pytest.mark.parametrize("on_blind", list(OnBlind))
def test_a_signal_that_is_not_blind_counts_as_its_latch(on_blind: OnBlind) -> None:
    assert SET is effective_state(Latch(SET), signal_plan(on_blind=on_blind), blind=False)


@pytest.mark.parametrize(
    ("counts", "last", "expected"),
    [
        pytest.param([SET, RESET], True, False, id="one that is set denies"),
        pytest.param([SET, UNKNOWN], True, False, id="even beside an unknown one"),
        pytest.param([RESET, RESET], False, True, id="all reset admit"),
        pytest.param([RESET, UNKNOWN], False, False, id="an unknown one holds a denial"),
        pytest.param([RESET, UNKNOWN], True, True, id="an unknown one holds an admission"),
        pytest.param([UNKNOWN], None, None, id="without a last bit it is undecided"),
    ],
)
def test_a_tiers_bit_from_its_signals(
    counts: list[LatchState],
    last: bool | None,
    expected: bool | None,
) -> None:
    bit = None if last is None else TierBit(last, EPOCH)
    assert expected is latches_allow(counts, bit, ColdStart.RESET)


def test_a_tier_without_a_bit_denies_with_cold_start_set() -> None:
    assert not latches_allow([UNKNOWN], None, ColdStart.SET)


def test_since_is_kept_while_the_bit_does_not_change() -> None:
    plan = one_latch()
    first = advance(plan, ShieldState(), {SIGNAL: complete(0.95)}, at(0))
    later = advance(plan, first, {SIGNAL: complete(0.95)}, at(60))
    assert EPOCH == later.bits[TIER].since


def test_a_signal_that_was_not_observed_counts_as_unusable() -> None:
    plan = one_latch()
    before = advance(plan, ShieldState(), {SIGNAL: complete(0.95)}, at(0))
    after = advance(plan, before, {}, at(5))
    assert (SET, at(0).ms) == (after.latches[TIER, SIGNAL].state, after.last_usable_ms[SIGNAL])


def test_state_that_the_plan_lacks_is_removed() -> None:
    two = Plan(
        signals={"a": signal_plan(), "b": signal_plan()},
        tiers={"x": {"a": USUAL, "b": USUAL}, "y": {"b": USUAL}},
        default_tier="x",
    )
    one = Plan(signals={"a": signal_plan()}, tiers={"x": {"a": USUAL}}, default_tier="x")
    seen = {"a": complete(0.95), "b": complete(0.95)}
    after = advance(one, advance(two, ShieldState(), seen, at(0)), seen, at(5))
    assert {("x", "a")} == set(after.latches)
    assert {"a"} == set(after.last_usable_ms)
    assert {"x"} == set(after.bits)


def test_a_latch_survives_a_change_of_its_threshold() -> None:
    old, new = one_latch(USUAL), one_latch(Threshold(set=0.95, reset=0.5))
    before = advance(old, ShieldState(), {SIGNAL: complete(0.92)}, at(0))
    after = advance(new, before, {SIGNAL: complete(0.7)}, at(5))
    assert SET is after.latches[TIER, SIGNAL].state
