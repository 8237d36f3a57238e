"""Room: reservations, headroom, shares and closing, stepped on a fake clock."""

import itertools
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shield_common.bucket import Bucket
from shield_evaluator.core import room
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import OnBlind, Plan, RoomPlan, SignalPlan, Threshold, Unit
from shield_evaluator.core.reservations import MAX_BATCH_RUNS, Batch
from shield_evaluator.core.room import RoomState

MEBIBYTE = 1024**2
QUOTA = 1000 * MEBIBYTE
LAG = 30_000
GROWS_OVER = 600_000
SPEND = 60_000
INTERVAL = 5_000

_SIGNAL = SignalPlan(members=None, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO)


def _threshold(
    *, target: float = 0.88, run_cost: int = MEBIBYTE, reopen: int | None = None
) -> Threshold:
    room_plan = RoomPlan(
        target=target,
        run_cost=run_cost,
        lag_ms=LAG,
        grows_over_ms=GROWS_OVER,
        spend_ms=SPEND,
        reopen=reopen,
    )
    return Threshold(set=0.9, reset=0.8, room=room_plan)


def _plan(**tiers: Mapping[str, Threshold]) -> Plan:
    named = tiers or {"standard": {"db-in-use": _threshold()}}
    signals = {signal for thresholds in named.values() for signal in thresholds}
    return Plan(dict.fromkeys(signals, _SIGNAL), named, "standard")


def _seen(value: float, *, partial: bool = False) -> Observation:
    return Observation(value=value, member_count=1, partial=partial)


def _advance(
    plan: Plan,
    state: RoomState,
    now_ms: int,
    *,
    totals: Mapping[str, int] | None = None,
    quota: float = QUOTA,
    **values: Observation | float,
) -> RoomState:
    observations = {
        name.replace("_", "-"): _seen(value) if isinstance(value, float) else value
        for name, value in values.items()
    }
    return room.advance(
        plan,
        state,
        observations,
        quotas=dict.fromkeys(plan.signals, quota),
        totals=totals,
        now_ms=now_ms,
    )


def _runs(plan: Plan, state: RoomState, tier: str = "standard") -> float:
    tier_room = room.room_of(plan, state, tier)
    assert tier_room is not None
    return tier_room.runs


def test_room_is_what_lies_below_the_target_in_runs() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, db_in_use=0.5)
    assert 380 == pytest.approx(_runs(plan, state))


def test_there_is_no_room_above_the_target() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, db_in_use=0.95)
    assert 0 == _runs(plan, state)


def test_an_admitted_run_is_reserved_for_in_full_until_it_can_be_seen() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 100}, db_in_use=0.5)
    state = _advance(plan, state, LAG, totals={"standard": 100}, db_in_use=0.5)
    assert 280 == pytest.approx(_runs(plan, state))


def test_a_reservation_falls_linearly_while_the_run_writes() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 100}, db_in_use=0.5)
    state = _advance(plan, state, LAG + GROWS_OVER // 4, totals={"standard": 100}, db_in_use=0.5)
    assert 380 - 75 == pytest.approx(_runs(plan, state))


def test_a_reservation_ends_when_the_run_has_written() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 100}, db_in_use=0.5)
    state = _advance(plan, state, LAG + GROWS_OVER, totals={"standard": 100}, db_in_use=0.5)
    assert {} == state.batches


def test_a_total_that_did_not_grow_reserves_nothing_more() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 5}, db_in_use=0.5)
    state = _advance(plan, state, INTERVAL, totals={"standard": 5}, db_in_use=0.5)
    assert {"standard": (Batch(0, 5),)} == state.batches


def test_a_total_that_fell_counts_as_admitted_since() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(totals={"standard": 500}), 0, totals={"standard": 3})
    assert {"standard": (Batch(0, 3),)} == state.batches


def test_totals_that_cannot_be_read_are_made_up_for_by_the_next_reading() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 5})
    state = _advance(plan, state, INTERVAL, totals=None)
    state = _advance(plan, state, 2 * INTERVAL, totals={"standard": 12})
    assert (Batch(0, 5), Batch(2 * INTERVAL, 7)) == state.batches["standard"]


def test_a_counter_that_is_unreadable_once_is_not_counted_again() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 50})
    state = _advance(plan, state, INTERVAL, totals={})
    state = _advance(plan, state, 2 * INTERVAL, totals={"standard": 51})
    assert (Batch(0, 50), Batch(2 * INTERVAL, 1)) == state.batches["standard"]


def test_a_state_without_totals_takes_the_first_reading_as_its_base() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(totals=None), 0, totals={"standard": 90_000})
    state = _advance(plan, state, INTERVAL, totals={"standard": 90_001})
    assert {"standard": (Batch(INTERVAL, 1),)} == state.batches


@pytest.mark.parametrize("total", [MAX_BATCH_RUNS + 1, 10**18], ids=["just-above", "forged"])
def test_an_implausible_total_reserves_nothing_and_is_named(total: int) -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": total}, db_in_use=0.5)
    assert (("standard",), {}) == (state.implausible, state.batches)


def test_an_implausible_total_is_the_base_of_what_follows() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 10**18})
    state = _advance(plan, state, INTERVAL, totals={"standard": 10**18 + 4})
    assert {"standard": (Batch(INTERVAL, 4),)} == state.batches


def test_runs_of_a_tier_that_only_admitters_know_are_reserved_for_as_the_default_tiers() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"unheard-of": 4})
    assert {"standard": (Batch(0, 4),)} == state.batches


def test_batches_at_short_intervals_are_merged_and_lose_no_run() -> None:
    plan, state = _plan(), RoomState()
    for number in range(2000):
        state = _advance(plan, state, number * 200, totals={"standard": number + 1})
    batches = state.batches["standard"]
    assert (2000, True) == (sum(batch.runs for batch in batches), len(batches) <= 260)


def test_the_runs_of_every_tier_take_room_from_every_tier() -> None:
    plan = _plan(
        standard={"db-in-use": _threshold()},
        critical={"db-in-use": _threshold(target=0.95)},
    )
    state = _advance(plan, RoomState(), 0, totals={"standard": 100}, db_in_use=0.5)
    assert 350 == pytest.approx(_runs(plan, state, "critical"))


def test_a_higher_target_leaves_room_when_the_lower_tiers_is_used_up() -> None:
    plan = _plan(
        standard={"db-in-use": _threshold()},
        critical={"db-in-use": _threshold(target=0.95)},
    )
    state = _advance(plan, RoomState(), 0, db_in_use=0.9)
    assert [0, 50] == pytest.approx([_runs(plan, state), _runs(plan, state, "critical")])


def test_each_tiers_runs_reserve_their_own_cost() -> None:
    plan = _plan(
        standard={"db-in-use": _threshold()},
        background={"db-in-use": _threshold(run_cost=4 * MEBIBYTE)},
    )
    state = _advance(plan, RoomState(), 0, totals={"background": 10}, db_in_use=0.5)
    assert 340 == pytest.approx(_runs(plan, state))


def test_the_least_room_of_the_signals_counts() -> None:
    plan = _plan(
        standard={"db-file": _threshold(), "db-in-use": _threshold(target=0.6)},
    )
    state = _advance(plan, RoomState(), 0, db_file=0.5, db_in_use=0.4)
    assert 200 == pytest.approx(_runs(plan, state))


@pytest.mark.parametrize(
    ("file", "in_use", "room_in_runs"),
    [
        pytest.param(0.85, 0.3, 580, id="free-space-inside-the-file-is-room"),
        pytest.param(0.85, 0.849, 30, id="a-full-file-grows"),
        pytest.param(0.95, 0.3, 580, id="a-large-file-with-space-inside"),
    ],
)
def test_the_file_counts_only_when_it_is_full(
    file: float, in_use: float, room_in_runs: float
) -> None:
    signals = {"db-file": _threshold(), "db-in-use": Threshold(set=0.85, reset=0.75)}
    plan = _plan(standard=signals)
    state = _advance(plan, RoomState(), 0, db_file=file, db_in_use=in_use)
    assert room_in_runs == pytest.approx(_runs(plan, state))


@pytest.mark.parametrize(
    "observation",
    [Observation(value=None), _seen(0.1, partial=True)],
    ids=["unusable", "partial-and-lower"],
)
def test_without_a_complete_observation_room_does_not_grow(observation: Observation) -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, db_in_use=0.5)
    state = _advance(plan, state, INTERVAL, db_in_use=observation)
    assert 380 == pytest.approx(_runs(plan, state))


def test_without_an_observation_room_shrinks_by_what_is_admitted() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, db_in_use=0.5)
    state = _advance(plan, state, INTERVAL, totals={"standard": 80})
    assert 300 == pytest.approx(_runs(plan, state))


def test_without_an_observation_an_ending_reservation_gives_nothing_back() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 80}, db_in_use=0.5)
    state = _advance(plan, state, LAG + GROWS_OVER)
    assert 300 == pytest.approx(_runs(plan, state))


def test_a_partial_observation_may_shrink_room() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, db_in_use=0.5)
    state = _advance(plan, state, INTERVAL, db_in_use=_seen(0.8, partial=True))
    assert 80 == pytest.approx(_runs(plan, state))


def test_room_is_unknown_before_any_observation() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0)
    assert room.room_of(plan, state, "standard") is None


def test_a_quota_of_zero_is_no_quota() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, quota=0.0, db_in_use=0.5)
    assert room.room_of(plan, state, "standard") is None


def test_a_share_is_the_room_spread_over_spend_and_admitters() -> None:
    plan = _plan()
    tier_room = room.room_of(plan, _advance(plan, RoomState(), 0, db_in_use=0.52), "standard")
    assert tier_room is not None
    assert 10 == pytest.approx(tier_room.share(interval_ms=INTERVAL, admitters=3))


def test_an_interval_longer_than_spend_hands_out_the_room_and_no_more() -> None:
    plan = _plan()
    tier_room = room.room_of(plan, _advance(plan, RoomState(), 0, db_in_use=0.52), "standard")
    assert tier_room is not None
    assert 360 == pytest.approx(tier_room.share(interval_ms=10 * SPEND, admitters=1))


def test_a_tier_closes_when_nothing_has_fitted_for_spend() -> None:
    plan, state = _plan(), RoomState()
    closed = []
    for now_ms in (0, SPEND - 1, SPEND):
        state = _advance(plan, state, now_ms, db_in_use=0.88)
        closed.append(room.closed_tiers(state))
    assert [frozenset(), frozenset(), {"standard"}] == closed


def test_a_moment_with_room_starts_the_closing_again() -> None:
    plan, state = _plan(), RoomState()
    for now_ms, value in ((0, 0.88), (SPEND // 2, 0.87), (SPEND, 0.88)):
        state = _advance(plan, state, now_ms, db_in_use=value)
    assert frozenset() == room.closed_tiers(state)


@pytest.mark.parametrize(
    ("value", "closed"),
    [
        pytest.param(0.873, True, id="less-than-one-percent-of-what-fits"),
        pytest.param(0.871, False, id="one-percent-of-what-fits"),
    ],
)
def test_a_closed_tier_opens_with_room_for_reopen_runs(value: float, *, closed: bool) -> None:
    plan, state = _plan(), RoomState()
    for now_ms, seen in ((0, 0.9), (SPEND, 0.9), (SPEND + INTERVAL, value)):
        state = _advance(plan, state, now_ms, db_in_use=seen)
    assert closed is ("standard" in room.closed_tiers(state))


def test_reopen_can_be_configured_in_runs() -> None:
    plan = _plan(standard={"db-in-use": _threshold(reopen=50)})
    state = RoomState()
    for now_ms, value in ((0, 0.9), (SPEND, 0.9), (SPEND + INTERVAL, 0.84)):
        state = _advance(plan, state, now_ms, db_in_use=value)
    assert {"standard"} == room.closed_tiers(state)


def test_a_reservation_is_shown_in_runs_and_bytes() -> None:
    plan = _plan()
    state = _advance(plan, RoomState(), 0, totals={"standard": 10}, db_in_use=0.5)
    held = room.reservation_of(plan, state, "standard", now_ms=LAG + GROWS_OVER // 2)
    assert [10, 5 * MEBIBYTE] == pytest.approx([held.runs, held.reserved])


def test_a_configuration_without_run_cost_says_nothing_about_room() -> None:
    plan = _plan(standard={"db-in-use": Threshold(set=0.9, reset=0.8)})
    state = _advance(plan, RoomState(), 0, totals={"standard": 10}, db_in_use=0.5)
    assert (None, {}) == (room.room_of(plan, state, "standard"), state.batches)


_cycles = st.lists(
    st.tuples(
        st.integers(0, 60_000),
        st.one_of(st.none(), st.integers(0, 2**53 - 1), st.integers(0, 2000)),
        st.one_of(st.none(), st.floats(0, 1.2)),
        st.booleans(),
    ),
    max_size=25,
)


@settings(max_examples=200, deadline=None)
@given(_cycles)
def test_room_is_never_negative_whatever_the_counters_say(
    cycles: list[tuple[int, int | None, float | None, bool]],
) -> None:
    plan, state, now_ms = _plan(), RoomState(), 0
    for elapsed, total, value, partial in cycles:
        now_ms += elapsed
        seen = Observation(value=value, member_count=1, partial=partial)
        totals = None if total is None else {"standard": total}
        state = _advance(plan, state, now_ms, totals=totals, db_in_use=seen)
        tier_room = room.room_of(plan, state, "standard")
        assert tier_room is None or tier_room.runs >= 0


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=20),
    admitters=st.integers(1, 5),
    data=st.data(),
)
def test_b2_all_admitters_together_exceed_the_room_by_one_run_each_at_most(
    values: list[float], admitters: int, data: st.DataObject
) -> None:
    plan, state, total = _plan(), RoomState(), 0
    buckets = [Bucket() for _ in range(admitters)]
    for number, value in enumerate(values):
        state = _advance(
            plan, state, number * INTERVAL, totals={"standard": total}, db_in_use=value
        )
        tier_room = room.room_of(plan, state, "standard")
        assert tier_room is not None
        # An interval as long as `spend` hands out all the room.
        interval_ms = data.draw(st.sampled_from([INTERVAL, SPEND]))
        share = tier_room.share(interval_ms=interval_ms, admitters=admitters)
        admitted = 0
        for bucket in buckets:
            bucket.fill(
                share,
                order=(1, number),
                total=tier_room.runs / admitters,
                missed_intervals=data.draw(st.integers(0, 20)),
            )
            while bucket.has_run:
                bucket.take()
                admitted += 1
        total += admitted
        assert admitted <= tier_room.runs + admitters


@pytest.mark.shows("trial T1")
def test_values_step_through_a_whole_burst_without_passing_the_target() -> None:
    """Runs are admitted as fast as shares allow; what they write appears as reserved falls."""
    plan, state, total = _plan(), RoomState(), 0
    admitted: list[tuple[int, int]] = []
    highest = 0.0
    bucket = Bucket()
    for number, now_ms in zip(itertools.count(), range(0, 2 * GROWS_OVER, INTERVAL), strict=False):
        written = sum(
            runs * MEBIBYTE * min(1.0, max(0.0, (now_ms - at) / GROWS_OVER))
            for at, runs in admitted
        )
        value = 0.2 + written / QUOTA
        highest = max(highest, value)
        state = _advance(plan, state, now_ms, totals={"standard": total}, db_in_use=value)
        tier_room = room.room_of(plan, state, "standard")
        assert tier_room is not None
        share = tier_room.share(interval_ms=INTERVAL, admitters=1)
        bucket.fill(share, order=(1, number), total=tier_room.runs, missed_intervals=0)
        burst = int(bucket.tokens)
        for _ in range(burst):
            bucket.take()
        total += burst
        admitted.append((now_ms, burst))
    assert 0.85 < highest <= 0.88 + 1 / 1000


def test_room_state_is_a_value() -> None:
    assert RoomState() == msgspec.structs.replace(RoomState(totals=None), totals={})
