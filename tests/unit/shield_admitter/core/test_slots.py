"""How many runs one admitter may hold until the next decision."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shield_admitter.core.slots import MUTATE_TO_VALIDATE_MS, Slots
from shield_common.decision import Decision, TierHold
from tests.unit.shield_admitter.builders import ADMITTING, DENYING, NOW, decision

HOLD = TierHold(slots=9, share=3, held=42)


def holding(
    *, cycle: int = 0, share: float = 3.0, allow: bool = False, full: bool = False
) -> Decision:
    entry = ADMITTING if allow else DENYING
    hold = replace(HOLD, share=share, full=full)
    return decision(
        tiers={name: replace(entry, hold=hold) for name in ("standard", "critical")},
        evaluated_at=NOW + timedelta(seconds=5 * cycle),
        sequence=cycle,
    )


def accepted(*decisions: Decision) -> Slots:
    slots = Slots()
    for each in decisions:
        slots.grant(each, now_ms=0, unflushed=0)
    return slots


def held(slots: Slots, tier: str = "standard") -> int:
    """Hold runs for as long as there is a slot; return how many."""
    number = 0
    while slots.has_slot:
        slots.take(tier)
        number += 1
    return number


def test_nothing_is_held_before_the_first_decision() -> None:
    assert not Slots().has_slot


def test_nothing_is_held_under_a_decision_without_slots() -> None:
    assert not accepted(holding(), decision()).has_slot


@pytest.mark.parametrize(("share", "runs"), [(0, 0), (0.9, 0), (1, 1), (3.9, 3), (333.3, 333)])
def test_an_admitter_holds_whole_runs_of_its_share(share: float, runs: int) -> None:
    assert runs == held(accepted(holding(share=share)))


def test_all_tiers_use_up_the_same_slots() -> None:
    slots = accepted(holding())
    slots.take("critical")
    assert 2 == held(slots, "standard")


def test_a_decision_that_repeats_an_evaluation_grants_nothing() -> None:
    slots = accepted(holding())
    assert 3 == held(slots)
    slots.grant(replace(holding(), sequence=4212), now_ms=0, unflushed=0)
    assert not slots.has_slot


def test_what_was_held_since_the_last_evaluation_comes_off_the_next_share() -> None:
    slots = accepted(holding())
    slots.take("standard")
    slots.grant(holding(cycle=1), now_ms=0, unflushed=0)
    assert 2 == held(slots)


def test_what_the_store_does_not_count_yet_comes_off_every_share() -> None:
    slots = accepted(holding(share=5))
    for _ in range(4):
        slots.take("standard")
    for cycle in (1, 2):
        slots.grant(holding(cycle=cycle, share=5), now_ms=0, unflushed=4)
        assert slots.has_slot
    assert 1 == held(slots)


def test_slots_that_are_not_used_do_not_add_up() -> None:
    assert 3 == held(accepted(*(holding(cycle=cycle) for cycle in range(5))))


def test_a_run_is_told_its_number_behind_those_that_are_held_already() -> None:
    slots = accepted(holding())
    assert 43 == slots.position("standard", HOLD, joins=True)
    slots.take("standard")
    assert (44, 43) == (
        slots.position("standard", HOLD, joins=True),
        slots.position("critical", HOLD, joins=True),
    )


def test_a_run_that_is_held_without_a_slot_leaves_no_debt() -> None:
    slots = accepted(holding(share=0))
    slots.take("standard")
    slots.grant(holding(cycle=1, share=0), now_ms=0, unflushed=0)
    slots.grant(holding(cycle=2, share=3), now_ms=0, unflushed=0)
    assert 3 == held(slots)


def test_a_tier_has_closed_lately_for_as_long_as_a_request_is_between_two_webhooks() -> None:
    slots = accepted(holding(allow=True))
    slots.grant(holding(cycle=1), now_ms=10_000, unflushed=0)
    slots.grant(holding(cycle=2), now_ms=10_000 + MUTATE_TO_VALIDATE_MS // 2, unflushed=0)
    assert slots.may_have_been_open("standard", now_ms=10_000 + MUTATE_TO_VALIDATE_MS - 1)
    assert not slots.may_have_been_open("standard", now_ms=10_000 + MUTATE_TO_VALIDATE_MS)


def test_a_tier_that_was_closed_at_the_first_decision_has_been_for_long() -> None:
    assert not accepted(holding()).may_have_been_open("standard", now_ms=0)


def test_full_counts_once_no_request_can_be_between_two_webhooks() -> None:
    slots = accepted(holding())
    slots.grant(holding(cycle=1, full=True), now_ms=10_000, unflushed=0)
    assert not slots.has_stayed_full("standard", now_ms=10_000 + MUTATE_TO_VALIDATE_MS - 1)
    assert slots.has_stayed_full("standard", now_ms=10_000 + MUTATE_TO_VALIDATE_MS)
    slots.grant(holding(cycle=2), now_ms=20_000, unflushed=0)
    assert not slots.has_stayed_full("standard", now_ms=20_000)


@given(
    st.lists(st.lists(st.integers(0, 30), min_size=3, max_size=3), min_size=1, max_size=20),
    st.integers(0, 60),
    st.data(),
)
def test_three_admitters_never_hold_more_than_the_slots_and_what_was_not_counted(
    bursts: list[list[int]], most: int, data: st.DataObject
) -> None:
    """Of the last interval's runs the evaluator may have missed some, of those before none."""
    admitters = [Slots() for _ in range(3)]
    total = known = missed = 0
    for cycle, burst in enumerate(bursts):
        share = max(0, most - known) / 3
        for slots in admitters:
            slots.grant(holding(cycle=cycle, share=share), now_ms=0, unflushed=0)
        before = total
        for slots, runs in zip(admitters, burst, strict=True):
            for _ in range(runs):
                if slots.has_slot:
                    slots.take("standard")
                    total += 1
        assert total <= most + missed
        known = data.draw(st.integers(before, total))
        missed = max(missed, total - known)


def test_tiers_that_hold_nothing_take_no_slots_from_the_others() -> None:
    tiers = {"standard": replace(DENYING, hold=HOLD), "critical": ADMITTING}
    assert 3 == held(accepted(decision(tiers=tiers)))
