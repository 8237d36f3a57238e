"""How many runs may be held, when a tier is full, and which tier's runs start first."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as replace_struct

from shield_common.decision import MAX_SAFE_INTEGER, TierHold
from shield_common.held import HeldReport, TierReport
from shield_evaluator.core import latches_document
from shield_evaluator.core.holding import (
    HeldReading,
    HoldingState,
    advance,
    held_in_all,
    priorities,
    tier_hold,
)
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import Plan, Threshold, Unit
from shield_evaluator.core.reservations import MAX_BATCH_RUNS
from shield_evaluator.core.state import ShieldState
from tests.unit.shield_evaluator.plans import EPOCH, SIGNAL, complete, partial, signal_plan, silent

MOST = 100
FULL = Threshold(set=0.90, reset=0.80, full=0.95)
PLAN = Plan(
    signals={SIGNAL: signal_plan()},
    tiers={
        "standard": {SIGNAL: FULL},
        "critical": {SIGNAL: Threshold(set=0.97, reset=0.93, full=0.985)},
    },
    default_tier="standard",
    max_held=MOST,
)


def report(
    held: int = 0, *, counted: int = 0, per_minute: float = 0.0, tier: str = "standard"
) -> HeldReport:
    entry = TierReport(held=held, counted=counted, released_per_minute=per_minute)
    return HeldReport(reported_at=EPOCH, tiers={tier: entry})


def learned(found: HeldReport | None = None, **counted: int) -> HeldReading:
    return HeldReading(found, store_answered=True, held_totals=counted)


def after(*inputs: HeldReading, plan: Plan = PLAN) -> HoldingState:
    state = HoldingState()
    for each in inputs:
        state = advance(plan, state, {SIGNAL: complete(0.5)}, each)
    return state


def hold_of(state: HoldingState, tier: str = "standard", admitters: int = 1) -> TierHold:
    hold = tier_hold(PLAN, state, tier, admitters=admitters)
    assert hold is not None
    return hold


def test_nothing_is_held_before_the_controller_s_first_report() -> None:
    assert tier_hold(PLAN, after(learned(standard=7)), "standard", admitters=1) is None


def test_nothing_is_held_while_holding_is_off() -> None:
    plan = Plan(signals=PLAN.signals, tiers=PLAN.tiers, default_tier="standard")
    state = after(learned(report(5)), plan=plan)
    assert HoldingState() == state
    assert tier_hold(plan, after(learned(report(5))), "standard", admitters=1) is None


def test_slots_are_what_the_held_runs_of_all_tiers_leave() -> None:
    tiers = {name: TierReport(held=held) for name, held in (("standard", 40), ("renamed", 10))}
    state = after(learned(HeldReport(reported_at=EPOCH, tiers=tiers)))
    hold = hold_of(state, admitters=2)
    assert (50, 25, 40) == (hold.slots, hold.share, hold.held)
    assert (50, 25, 0) == (hold_of(state, "critical", 2).slots, hold.share, 0)


def test_what_admitters_held_since_the_report_counts() -> None:
    state = after(learned(report(40, counted=200), standard=207))
    assert (47, 53) == (hold_of(state).held, hold_of(state).slots)


def test_a_new_report_counts_nothing_twice() -> None:
    state = after(
        learned(report(40, counted=200), standard=207),
        learned(report(47, counted=207), standard=207),
    )
    assert 47 == hold_of(state).held


def test_a_counter_that_fell_was_counted_anew() -> None:
    assert 43 == hold_of(after(learned(report(40, counted=200), standard=3))).held


def test_released_runs_make_slots_again() -> None:
    state = after(learned(report(90)), learned(report(30)))
    assert 70 == hold_of(state).slots


def test_without_reports_slots_only_shrink() -> None:
    state = after(
        learned(report(40, counted=200), standard=200),
        learned(standard=205),
        learned(standard=205),
        learned(standard=210),
    )
    hold = hold_of(state)
    assert (50, 50, True) == (hold.held, hold.slots, hold.stalled)


def test_a_report_that_cannot_be_read_is_not_one_that_expired() -> None:
    state = after(
        learned(report(40, counted=200, per_minute=6), standard=200),
        HeldReading(store_answered=False),
    )
    hold = hold_of(state)
    assert (40, False) == (hold.held, hold.stalled)
    assert hold.wait_seconds is not None


def test_runs_that_cannot_start_take_slots_but_make_no_newcomer_wait() -> None:
    """One stuck run must not turn every further run of its tier into a held one."""
    tiers = {"standard": TierReport(held=3, stuck=3), "critical": TierReport(held=5, stuck=1)}
    found = HeldReport(reported_at=EPOCH, tiers=tiers)

    for state in (after(learned(found)), after(learned(found), HeldReading(store_answered=False))):
        assert 0 == hold_of(state).held
        assert 4 == hold_of(state, "critical").held
        assert MOST - 8 == hold_of(state).slots


def test_a_report_ends_the_standstill() -> None:
    state = after(learned(report(40)), learned(), learned(report(12)))
    assert (12, False) == (hold_of(state).held, hold_of(state).stalled)


def test_slots_are_never_less_than_none() -> None:
    assert 0 == hold_of(after(learned(report(MOST + 1)))).slots


def test_a_forged_report_makes_no_decision_that_admitters_refuse() -> None:
    hold = hold_of(after(learned(report(MAX_SAFE_INTEGER), standard=1)))
    assert (MAX_SAFE_INTEGER, 0) == (hold.held, hold.slots)


def test_a_forged_counter_is_reported_and_holds_nothing() -> None:
    state = after(learned(report(40)), learned(report(40), standard=MAX_BATCH_RUNS + 1))
    assert (40, ("standard",)) == (hold_of(state).held, state.implausible)


def test_counters_of_unknown_tiers_take_no_slots() -> None:
    state = after(learned(report(40), forged=50), learned(forged=70))
    assert 60 == hold_of(state).slots


def test_a_newcomer_waits_for_those_before_it_at_the_present_rate() -> None:
    assert 120 == hold_of(after(learned(report(11, per_minute=6)))).wait_seconds


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param([learned(report(11, per_minute=0))], id="nothing is released"),
        pytest.param([learned(report(11, per_minute=6)), learned()], id="no report"),
    ],
)
def test_a_wait_that_is_not_known_is_not_told(inputs: list[HeldReading]) -> None:
    assert hold_of(after(*inputs)).wait_seconds is None


@pytest.mark.parametrize(
    ("seen", "full"),
    [
        pytest.param([complete(0.949)], False, id="below"),
        pytest.param([complete(0.95)], True, id="at"),
        pytest.param([partial(0.96)], True, id="partial, above"),
        pytest.param([complete(0.96), partial(0.5)], True, id="partial, below"),
        pytest.param([complete(0.96), silent()], True, id="unusable"),
        pytest.param([complete(0.96), complete(0.949)], False, id="below again"),
        pytest.param([silent()], False, id="never seen"),
    ],
)
def test_a_tier_is_full_from_full_on_until_every_member_is_below(
    seen: list[Observation], full: bool
) -> None:
    state = HoldingState()
    for observation in seen:
        state = advance(PLAN, state, {SIGNAL: observation}, learned(report()))
    assert full is hold_of(state).full
    assert not hold_of(state, "critical").full


def plan_of(unit: Unit = Unit.RATIO, **sets: float) -> Plan:
    return Plan(
        signals={SIGNAL: signal_plan(unit=unit)},
        tiers={
            tier: {SIGNAL: Threshold(set=value, reset=value / 2)} for tier, value in sets.items()
        },
        default_tier="standard",
    )


def test_the_tier_that_is_denied_last_is_released_first() -> None:
    order = priorities(plan_of(background=0.85, standard=0.9, critical=0.97, bots=0.85))
    assert {"critical": 0, "standard": 1, "background": 2, "bots": 3} == order


def test_signals_in_numbers_rank_no_tier() -> None:
    assert {"alpha": 0, "beta": 1} == priorities(plan_of(Unit.NUMBER, beta=9000, alpha=100))


COUNTS: st.SearchStrategy[Mapping[str, int]] = st.dictionaries(
    st.sampled_from(["standard", "critical", "forged"]), st.integers(0, 2**53), max_size=3
)
REPORTS = st.none() | st.builds(
    HeldReport,
    reported_at=st.just(EPOCH),
    tiers=st.dictionaries(
        st.sampled_from(["standard", "critical", "renamed"]),
        st.builds(
            TierReport,
            held=st.integers(0, 2**53 - 1),
            counted=st.integers(0, 2**53 - 1),
            released_per_minute=st.floats(0, 1e18),
        ),
    ),
)
INPUTS = st.builds(
    HeldReading, REPORTS, store_answered=st.booleans(), held_totals=st.none() | COUNTS
)


@given(st.lists(INPUTS, max_size=6))
def test_whatever_is_reported_and_counted_slots_stay_sane_and_a_restart_changes_nothing(
    inputs: list[HeldReading],
) -> None:
    state = HoldingState()
    slots = None
    for each in inputs:
        state = advance(PLAN, state, {SIGNAL: complete(0.96)}, each)
        document = latches_document.encode(ShieldState(holding=state), now_ms=0, order=(1, 1))
        restored = latches_document.decode(document, now_ms=0).state.holding
        assert replace_struct(state, implausible=()) == restored
        hold = tier_hold(PLAN, state, "standard", admitters=3)
        assert (hold is None) is not state.is_known
        if hold is not None:
            assert 0 <= hold.slots <= MOST
            assert held_in_all(state) + hold.slots >= MOST
            if each.report is None and slots is not None:
                assert hold.slots <= slots
            slots = hold.slots
        state = restored
