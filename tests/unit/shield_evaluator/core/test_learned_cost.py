"""The learned cost: what samples of a growing etcd say about the cost of runs."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core import room
from shield_evaluator.core.latches_document import LatchesDocumentError, decode, encode
from shield_evaluator.core.learned_cost import MAX_FACTOR, CostEvidence, cost_factor
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import OnBlind, Plan, RoomPlan, SignalPlan, Threshold, Unit
from shield_evaluator.core.room import RoomState
from shield_evaluator.core.state import ShieldState

MEBIBYTE = 1024**2
QUOTA = 8000 * MEBIBYTE
RUN_COST = 4 * MEBIBYTE
GROWS_OVER = 600_000
INTERVAL = 10_000
RUNS_PER_CYCLE = 10

_SIGNAL = SignalPlan(members=None, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO)
_ROOM = RoomPlan(
    target=0.88, run_cost=RUN_COST, lag_ms=0, grows_over_ms=GROWS_OVER, spend_ms=60_000
)
PLAN = Plan(
    {"db-in-use": _SIGNAL},
    {"standard": {"db-in-use": Threshold(set=0.9, reset=0.8, room=_ROOM)}},
    "standard",
)


def _step(
    state: RoomState,
    now_ms: int,
    in_use: float,
    admitted: int,
    *,
    partial: bool = False,
    plan: Plan = PLAN,
) -> RoomState:
    """One cycle: bytes in use, and how many runs were admitted in total."""
    observation = Observation(value=in_use / QUOTA, member_count=1, partial=partial)
    return room.advance(
        plan,
        state,
        {"db-in-use": observation},
        quotas={"db-in-use": QUOTA},
        totals={"standard": admitted},
        now_ms=now_ms,
    )


def _flood(*, times: float, minutes: int = 8) -> RoomState:
    """Runs are admitted evenly, and write evenly; each `times` what its run cost says."""
    state, written = RoomState(), 0.0
    cycles = minutes * 60_000 // INTERVAL
    for cycle in range(cycles + 1):
        # Each cycle's runs write for GROWS_OVER; those of the last cycle have just begun.
        writing = min(cycle, GROWS_OVER // INTERVAL) * RUNS_PER_CYCLE
        written += writing * RUN_COST * times * INTERVAL / GROWS_OVER
        state = _step(state, cycle * INTERVAL, 100.0 + written, (cycle + 1) * RUNS_PER_CYCLE)
    return state


@pytest.mark.parametrize("times", [1.5, 2.0, 3.0])
def test_runs_that_write_more_than_their_cost_are_found_out(times: float) -> None:
    assert times == pytest.approx(cost_factor(PLAN, _flood(times=times), "db-in-use"), rel=0.1)


@pytest.mark.parametrize("times", [0.1, 0.5, 1.0])
def test_the_cost_is_never_taken_for_less_than_is_stated(times: float) -> None:
    assert pytest.approx(1.0, abs=0.06) == cost_factor(PLAN, _flood(times=times), "db-in-use")


def test_the_factor_is_bounded() -> None:
    assert cost_factor(PLAN, _flood(times=50), "db-in-use") == MAX_FACTOR


def test_a_cost_that_proves_too_low_takes_room_away() -> None:
    right, low = _flood(times=1, minutes=4), _flood(times=2, minutes=4)
    less = room.room_of(PLAN, low, "standard")
    more = room.room_of(PLAN, right, "standard")

    assert less is not None
    assert more is not None
    # What is in etcd differs by much less than what is taken to be on its way.
    assert less.runs < 0.6 * more.runs
    assert less.learned_run_cost > 1.5 * more.learned_run_cost


def test_reservations_are_shown_at_the_learned_cost() -> None:
    stated = room.reservation_of(PLAN, _flood(times=1), "standard", now_ms=480_000)
    learned = room.reservation_of(PLAN, _flood(times=2), "standard", now_ms=480_000)

    assert stated.runs == learned.runs
    assert 2 * stated.reserved == pytest.approx(learned.reserved, rel=0.15)


def test_learning_can_be_switched_off() -> None:
    off = dataclasses.replace(
        PLAN, signals={"db-in-use": dataclasses.replace(_SIGNAL, applies_learned_cost=False)}
    )

    assert cost_factor(off, _flood(times=3), "db-in-use") == 1.0


def test_a_few_runs_prove_nothing() -> None:
    state = _step(RoomState(), 0, 0.0, 2)
    state = _step(state, 10_000, 10 * MEBIBYTE, 2)

    assert cost_factor(PLAN, state, "db-in-use") < 1.15


def test_a_sample_after_a_compaction_is_left_out() -> None:
    before = _flood(times=2)
    after = _step(before, 490_000, 100.0, 500)

    assert cost_factor(PLAN, before, "db-in-use") == cost_factor(PLAN, after, "db-in-use")


def test_growth_across_a_gap_without_metrics_is_left_out() -> None:
    before = _flood(times=1)
    in_use = before.cost_evidence["db-in-use"].value * QUOTA
    after = _step(before, 480_000 + GROWS_OVER, in_use + 2000 * MEBIBYTE, 490)

    assert cost_factor(PLAN, before, "db-in-use") == cost_factor(PLAN, after, "db-in-use")


def test_a_partial_sample_teaches_nothing() -> None:
    before = _flood(times=1)
    after = _step(before, 490_000, 6000 * MEBIBYTE, 500, partial=True)

    assert before.cost_evidence == after.cost_evidence


def test_what_runs_once_did_is_forgotten() -> None:
    state = _flood(times=3)
    in_use = state.cost_evidence["db-in-use"].value * QUOTA
    remembered = cost_factor(PLAN, state, "db-in-use")
    for cycle in range(1, 200):
        in_use += RUNS_PER_CYCLE * RUN_COST
        now_ms = 480_000 + cycle * INTERVAL
        state = _step(state, now_ms, in_use, 490 + cycle * RUNS_PER_CYCLE)

    assert remembered > 2.5
    assert cost_factor(PLAN, state, "db-in-use") < 1.3


def test_a_changed_run_cost_is_judged_by_new_samples_alone() -> None:
    state = _flood(times=2)
    threshold = Threshold(
        set=0.9, reset=0.8, room=dataclasses.replace(_ROOM, run_cost=2 * RUN_COST)
    )
    calibrated = dataclasses.replace(PLAN, tiers={"standard": {"db-in-use": threshold}})

    after = _step(state, 490_000, 6000 * MEBIBYTE, 490, plan=calibrated)

    assert cost_factor(PLAN, state, "db-in-use") > 1.8
    assert cost_factor(calibrated, after, "db-in-use") == 1.0


def test_a_signal_without_run_cost_learns_nothing() -> None:
    signals = {"db-in-use": _SIGNAL, "other": _SIGNAL}
    plan = dataclasses.replace(PLAN, signals=signals)
    known = CostEvidence(0.5, 0, RUN_COST, measured=1e12, predicted=1.0)

    state = RoomState(cost_evidence={"other": known}, quotas={"other": QUOTA})
    assert cost_factor(plan, state, "other") == 1.0


_CYCLES = st.lists(
    st.tuples(
        st.integers(1, 400_000),  # milliseconds since the last cycle
        st.floats(0, 1) | st.none(),  # the value
        st.integers(0, 500),  # runs admitted
        st.booleans(),  # whether an evaluator is restarted after it
    ),
    max_size=30,
)


@given(cycles=_CYCLES, shift=st.integers(-(10**9), 10**9))
def test_a_restart_forgets_nothing_of_what_was_learned(
    cycles: list[tuple[int, float | None, int, bool]], shift: int
) -> None:
    runs_on, restarted, now_ms, total = RoomState(), RoomState(), 0, 0
    for took_ms, value, runs, restart in cycles:
        now_ms += took_ms
        total += runs
        seen = {} if value is None else {"db-in-use": Observation(value=value, member_count=1)}
        states = [
            room.advance(
                PLAN,
                state,
                seen,
                quotas={"db-in-use": QUOTA},
                totals={"standard": total},
                now_ms=now_ms,
            )
            for state in (runs_on, restarted)
        ]
        runs_on, restarted = states
        if restart:
            document = encode(ShieldState(room=restarted), now_ms=now_ms, order=(1, 1))
            elsewhere = decode(document, now_ms=now_ms + shift).state.room
            back = encode(ShieldState(room=elsewhere), now_ms=now_ms + shift, order=(1, 1))
            restarted = decode(back, now_ms=now_ms).state.room

        assert runs_on.cost_evidence == restarted.cost_evidence
        assert 1.0 <= cost_factor(PLAN, runs_on, "db-in-use") <= MAX_FACTOR


@pytest.mark.parametrize("forged", [-1.0, 1e19])
def test_evidence_that_no_evaluator_stored_is_refused(forged: float) -> None:
    document = msgspec.json.decode(
        encode(ShieldState(room=_flood(times=2)), now_ms=480_000, order=(1, 1))
    )
    document["room"]["cost_evidence"]["db-in-use"]["predicted"] = forged

    with pytest.raises(LatchesDocumentError):
        decode(msgspec.json.encode(document), now_ms=0)


def test_a_document_of_a_version_that_learned_nothing_is_read() -> None:
    document = msgspec.json.decode(
        encode(ShieldState(room=_flood(times=2)), now_ms=480_000, order=(1, 1))
    )
    del document["room"]["cost_evidence"]

    state = decode(msgspec.json.encode(document), now_ms=480_000).state.room

    assert {} == state.cost_evidence
    assert cost_factor(PLAN, state, "db-in-use") == 1.0
