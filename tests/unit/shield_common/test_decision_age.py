"""Which document replaces what is held, and what its age is called."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.decision import Decision
from shield_common.decision_age import (
    Acceptance,
    CachedDecision,
    Freshness,
    accept,
    freshness,
)
from tests.unit.shield_admitter.builders import LIMITS, cached, decision


@pytest.mark.parametrize(
    ("age_ms", "name"),
    [
        (0, Freshness.FRESH),
        (29_999, Freshness.FRESH),
        (30_000, Freshness.STALE),
        (299_999, Freshness.STALE),
        (300_000, Freshness.EXPIRED),
        (10**12, Freshness.EXPIRED),
    ],
)
def test_a_decision_of_this_age_is(age_ms: int, name: Freshness) -> None:
    assert name is freshness(cached(age_ms=age_ms), LIMITS, now_ms=0)


def test_nothing_held_is_neither_fresh_nor_expired() -> None:
    assert Freshness.NONE is freshness(None, LIMITS, now_ms=0)


def take(
    now: CachedDecision | None, document: Decision, now_ms: int, remaining_ms: int | None = None
) -> tuple[CachedDecision, Acceptance]:
    return accept(now, document, LIMITS, now_ms=now_ms, remaining_ms=remaining_ms)


def test_a_story_of_one_admitter() -> None:
    # A late joiner finds a decision that was written 20 s ago.
    now, result = take(None, decision(epoch=7, sequence=10), 1_000, remaining_ms=280_000)
    assert (Acceptance.TAKEN, 20_000) == (result, now.age_ms(1_000))
    # The next refresh finds the same: it only gets older.
    now, result = take(now, decision(epoch=7, sequence=10), 6_000, remaining_ms=275_000)
    assert (Acceptance.REPEATED, 25_000) == (result, now.age_ms(6_000))
    assert Freshness.STALE is freshness(now, LIMITS, now_ms=11_000)
    # The subscription brings a new one: it is new now.
    now, result = take(now, decision(epoch=7, sequence=11), 12_000)
    assert (Acceptance.TAKEN, 0) == (result, now.age_ms(12_000))
    # A writer that was fenced off speaks once more.
    now, _ = take(now, decision(epoch=8, sequence=0), 13_000)
    now, result = take(now, decision(epoch=7, sequence=12), 14_000)
    assert (Acceptance.OLDER, (8, 0)) == (result, now.decision.order)
    # Nobody writes for five minutes: then whatever is there is better than nothing.
    assert Freshness.EXPIRED is freshness(now, LIMITS, now_ms=313_000)
    now, result = take(now, decision(epoch=1, sequence=0), 313_000)
    assert (Acceptance.TAKEN, (1, 0)) == (result, now.decision.order)
    assert Freshness.FRESH is freshness(now, LIMITS, now_ms=313_000)


@pytest.mark.parametrize(
    ("epoch", "sequence", "result"),
    [
        (7, 12, Acceptance.TAKEN),
        (8, 0, Acceptance.TAKEN),
        (7, 11, Acceptance.REPEATED),
        (7, 10, Acceptance.OLDER),
        (6, 99, Acceptance.OLDER),
    ],
)
def test_order_is_epoch_before_sequence(epoch: int, sequence: int, result: Acceptance) -> None:
    now = CachedDecision(decision(epoch=7, sequence=11), 0)
    assert result is take(now, decision(epoch=epoch, sequence=sequence), 1_000)[1]


def test_an_expired_decision_does_not_become_new_by_repetition() -> None:
    now = CachedDecision(decision(), 0)
    again, result = take(now, decision(), 400_000, remaining_ms=300_000)
    assert (now, Acceptance.REPEATED) == (again, result)


def test_a_document_that_outlives_its_own_span_is_new() -> None:
    now, _ = take(None, decision(ttl_ms=1_000), 5_000, remaining_ms=2_000)
    assert 0 == now.age_ms(5_000)


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400_000),
            st.integers(0, 3),
            st.integers(0, 3),
            st.none() | st.integers(0, 400_000),
        )
    )
)
def test_while_it_is_current_the_order_never_goes_down(
    story: list[tuple[int, int, int, int | None]],
) -> None:
    now: CachedDecision | None = None
    clock = 0
    for wait, epoch, sequence, remaining in story:
        clock += wait
        before = now
        was = freshness(before, LIMITS, now_ms=clock)
        now, _ = take(before, decision(epoch=epoch, sequence=sequence), clock, remaining)
        if before is not None and was is not Freshness.EXPIRED:
            assert before.decision.order <= now.decision.order
        assert 0 <= now.age_ms(clock)
