"""Room in the decision, and in the document that a restarted evaluator reads."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shield_common.decision import (
    Decision,
    Override,
    TierDecision,
    decode_decision,
    encode_decision,
)
from shield_evaluator.core import room
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.latch import advance
from shield_evaluator.core.latches_document import decode, encode
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import Plan, RoomPlan, Threshold
from shield_evaluator.core.state import Instant, ShieldState, TierBit
from tests.unit.shield_evaluator.plans import (
    EPOCH,
    SIGNAL,
    TIER,
    at,
    complete,
    one_latch,
    partial,
    silent,
)

MEBIBYTE = 1024**2
QUOTA = 1000 * MEBIBYTE
ROOM = RoomPlan(
    target=0.88, run_cost=MEBIBYTE, lag_ms=30_000, grows_over_ms=600_000, spend_ms=60_000
)
PLAN = one_latch(Threshold(set=0.90, reset=0.80, room=ROOM))
ENVELOPE = Envelope(
    cluster="c", epoch=1, sequence=1, ttl_ms=300_000, interval_ms=5_000, admitters=2
)


def _step(
    plan: Plan, state: ShieldState, seen: Observation, now: Instant, admitted: int = 0
) -> ShieldState:
    observations = {SIGNAL: seen}
    room_state = room.advance(
        plan,
        state.room,
        observations,
        quotas={SIGNAL: QUOTA},
        totals={TIER: admitted},
        now_ms=now.ms,
    )
    return advance(plan, state, observations, now, room=room_state)


def _decided(
    *story: Observation, plan: Plan = PLAN, override: Override | None = None, admitted: int = 0
) -> Decision:
    """Decide after a story of observations that are 60 seconds apart."""
    state = ShieldState()
    for number, seen in enumerate(story):
        state = _step(plan, state, seen, at(60 * number), admitted)
    return decide(
        plan,
        state,
        {SIGNAL: story[-1]},
        now=at(60 * (len(story) - 1)),
        envelope=ENVELOPE,
        override=override,
    )


def _tier(*story: Observation, override: Override | None = None, admitted: int = 0) -> TierDecision:
    return _decided(*story, override=override, admitted=admitted).tiers[TIER]


def _override(*, allow: bool) -> Override:
    return Override(allow=allow, reason="drill", by="sre", since=EPOCH, until=at(3600).utc)


def test_an_admitting_tier_shows_its_room_and_an_admitters_share() -> None:
    entry = _tier(complete(0.64))
    assert [240, 10, MEBIBYTE] == pytest.approx([entry.room, entry.share, entry.run_cost])


def test_the_document_says_among_how_many_the_room_is_shared() -> None:
    assert 2 == _decided(complete(0.5)).admitters


def test_a_plan_without_run_cost_paces_nothing() -> None:
    decision = _decided(complete(0.5), plan=one_latch())
    assert (None, None, None) == (
        decision.admitters,
        decision.tiers[TIER].room,
        decision.tiers[TIER].share,
    )


def test_a_tier_without_room_denies_before_the_latch_is_set() -> None:
    entry = _tier(complete(0.88), complete(0.88))
    assert (False, "etcd has no room for further runs until admitted ones have finished") == (
        entry.allow,
        entry.reason,
    )


def test_a_denial_for_lack_of_room_names_the_signal_that_leaves_none() -> None:
    entry = _tier(complete(0.88), complete(0.88))
    assert (SIGNAL, 0.88, 0.90) == (entry.signal, entry.value, entry.set)


def test_a_set_latch_is_the_reason_although_there_is_no_room_either() -> None:
    entry = _tier(complete(0.95), complete(0.95))
    assert "etcd is at 95.0% of its quota" == entry.reason


def test_a_denying_tier_hands_out_nothing() -> None:
    assert _tier(complete(0.95), complete(0.95)).share is None


def test_an_override_that_allows_paces_nothing() -> None:
    entry = _tier(complete(0.87), override=_override(allow=True))
    assert (True, None) == (entry.allow, entry.share)


def test_admitted_runs_lessen_the_room_before_etcd_shows_them() -> None:
    assert 140 == pytest.approx(_tier(complete(0.64), admitted=100).room or 0, abs=6)


def test_a_decision_with_room_can_be_decoded() -> None:
    decision = _decided(complete(0.5))
    assert decision == decode_decision(encode_decision(decision))


def test_a_latches_document_without_room_takes_the_counters_as_its_base() -> None:
    document = b'{"schema":1,"epoch":3,"sequence":9,"latches":{},"usable_age_ms":{},"tiers":{}}'
    state = decode(document, now_ms=0).state
    assert {} == _step(PLAN, state, complete(0.5), at(0), admitted=70_000).room.batches


_cycles = st.lists(
    st.tuples(
        st.sampled_from([200, 5_000, 30_000, 200_000]),
        st.integers(0, 400),
        st.one_of(
            st.builds(complete, st.floats(0, 1)),
            st.builds(partial, st.floats(0, 1)),
            st.just(silent()),
        ),
        st.one_of(st.none(), st.integers(-900_000, 10**12)),
    ),
    min_size=1,
    max_size=25,
)


def test_a_tier_that_closed_for_lack_of_room_opens_again_beside_a_signal_that_never_spoke() -> None:
    plan = replace(
        PLAN,
        signals={**PLAN.signals, "mute": PLAN.signals[SIGNAL]},
        tiers={TIER: {**PLAN.tiers[TIER], "mute": Threshold(set=0.9, reset=0.8)}},
    )
    state, bits = ShieldState(), []
    for number, value in enumerate([0.3, 0.3, 0.3, 0.3, 0.8795, 0.8795, 0.8795, 0.3, 0.3]):
        now = at(60 * number)
        state = _step(plan, state, complete(value), now)
        # A takeover must not forget why the tier is closed.
        state = decode(encode(state, now_ms=now.ms, order=(1, 1)), now_ms=now.ms).state
        bits.append(TIER in state.bits and state.bits[TIER].allow)

    assert [True, False, True] == [bits[3], bits[6], bits[8]]


@settings(max_examples=150, deadline=None)
@given(_cycles)
def test_a_restart_anywhere_changes_no_later_decision(
    cycles: list[tuple[int, int, Observation, int | None]],
) -> None:
    running = restarted = ShieldState(bits={TIER: TierBit(allow=True, since=EPOCH)})
    now_ms, other_clock, admitted = 1_000_000, 0, 0
    for elapsed, runs, seen, restart_on_clock in cycles:
        now_ms += elapsed
        admitted += runs
        running = _step(PLAN, running, seen, Instant(now_ms, EPOCH), admitted)
        other = Instant(now_ms + other_clock, EPOCH)
        restarted = _step(PLAN, restarted, seen, other, admitted)
        assert decide(
            PLAN, running, {SIGNAL: seen}, now=Instant(now_ms, EPOCH), envelope=ENVELOPE
        ) == decide(PLAN, restarted, {SIGNAL: seen}, now=other, envelope=ENVELOPE)
        if restart_on_clock is not None:
            document = encode(restarted, now_ms=other.ms, order=(1, 1))
            other_clock = restart_on_clock
            restarted = decode(document, now_ms=now_ms + other_clock).state
