"""How many held runs may start under a decision."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.allowance import MINUTES, Allowance
from shield_common.bucket import Bucket
from shield_common.decision import Decision, Override, TierDecision, TierHold

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def tier(*, allow: bool = True, **fields: Any) -> TierDecision:
    return TierDecision(allow=allow, since=NOON, **fields)


def hold(held: int = 1, *, stalled: bool = False) -> TierHold:
    return TierHold(slots=100, share=25, held=held, stalled=stalled)


def decision(
    sequence: int = 1,
    *,
    allow: bool = True,
    admitters: int | None = None,
    override: Override | None = None,
    **tiers: TierDecision,
) -> Decision:
    return Decision(
        cluster="rh01",
        epoch=1,
        sequence=sequence,
        ttl_ms=300_000,
        evaluated_at=NOON,
        allow=allow,
        admitters=admitters,
        override=override,
        tiers=tiers or {"standard": tier(allow=allow)},
        signals={},
    )


def allowance(rate: float = 1.0, interval: float = 5.0) -> Allowance:
    return Allowance(rate=rate, interval=interval, now_ms=0)


def releasable(budget: Allowance, name: str = "standard", *, now_ms: int = 0) -> int:
    """Release while it is permitted, and return how many times it was."""
    number = 0
    while budget.permits(name) and number < 1_000:
        budget.take()
        budget.count(name, now_ms=now_ms)
        number += 1
    return number


def test_nothing_starts_without_a_decision_in_force() -> None:
    budget = allowance()
    budget.follow(None, since_ms=0)

    assert not budget.permits("standard")


def test_nothing_starts_in_a_tier_that_denies() -> None:
    budget = allowance()
    budget.follow(decision(standard=tier(allow=False, room=9.0)), since_ms=0)

    assert not budget.permits("standard")


def test_an_interval_brings_what_the_rate_says() -> None:
    budget = allowance(rate=2.0, interval=5.0)
    budget.follow(decision(), since_ms=0)

    assert 10 == releasable(budget)
    budget.tick(3_000)
    assert 6 == releasable(budget)


def test_a_rate_of_less_than_one_run_an_interval_starts_one_at_a_time() -> None:
    budget = allowance(rate=1 / 60, interval=5.0)
    budget.follow(decision(), since_ms=0)

    assert 1 == releasable(budget)
    budget.tick(59_000)
    assert 0 == releasable(budget)
    budget.tick(60_000)
    assert 1 == releasable(budget)


def test_no_more_start_than_the_tier_has_room_for() -> None:
    budget = allowance(rate=100.0)
    budget.follow(decision(standard=tier(room=3.9)), since_ms=0)

    assert 3 == releasable(budget)


def test_what_one_tier_starts_is_room_that_the_others_no_longer_have() -> None:
    budget = allowance(rate=100.0)
    budget.follow(decision(standard=tier(room=3.0), critical=tier(room=5.0)), since_ms=0)

    assert 3 == releasable(budget, "standard")
    assert 2 == releasable(budget, "critical")


def test_a_decision_that_knows_the_releases_gives_its_room_anew() -> None:
    budget = allowance(rate=100.0)
    budget.follow(decision(standard=tier(room=3.0)), since_ms=0)
    releasable(budget, now_ms=0)
    budget.tick(5_000)

    budget.follow(decision(2, standard=tier(room=2.0)), since_ms=5_000)

    assert 2 == releasable(budget, now_ms=5_000)


def test_a_decision_that_was_made_at_the_same_time_does_not_know_the_releases() -> None:
    budget = allowance(rate=100.0)
    budget.follow(decision(standard=tier(room=3.0)), since_ms=0)
    releasable(budget, now_ms=4_500)
    budget.tick(5_000)

    budget.follow(decision(2, standard=tier(room=3.0)), since_ms=5_400)

    assert 0 == releasable(budget, now_ms=5_000)


def test_a_tier_without_a_run_cost_has_the_rate_alone() -> None:
    budget = allowance(rate=7.0, interval=1.0)
    budget.follow(decision(standard=tier(room=None)), since_ms=0)

    assert 7 == releasable(budget)


def test_a_tier_that_the_decision_lacks_follows_the_default_bit() -> None:
    budget = allowance()
    budget.follow(decision(allow=True), since_ms=0)
    assert budget.permits("gone")

    budget.follow(decision(allow=False), since_ms=0)
    assert not budget.permits("gone")


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.floats(0, 20), st.booleans()), max_size=20),
    st.floats(0.01, 20),
)
def test_no_interval_starts_more_than_rate_and_room_allow(
    steps: list[tuple[int, float, bool]], rate: float
) -> None:
    budget = allowance(rate=rate, interval=5.0)
    now_ms = 0
    for sequence, (elapsed, room, allow) in enumerate(steps):
        now_ms += elapsed
        budget.tick(now_ms)
        made = decision(sequence, standard=tier(allow=allow, room=room))
        budget.follow(made, since_ms=now_ms)
        number = releasable(budget, now_ms=now_ms)
        assert number <= max(1.0, rate * 5.0)
        assert number <= room
        assert allow or 0 == number


def test_the_rate_of_releases_is_a_mean_over_minutes() -> None:
    budget = allowance(rate=100.0)
    budget.follow(decision(), since_ms=0)
    for _ in range(10):
        budget.count("standard", now_ms=0)
    budget.tick(1_000)
    assert 10 / MINUTES == budget.per_minute("standard")

    budget.tick(MINUTES * 60_000 + 1)
    assert 0 == budget.per_minute("standard")


# The pace: releases and admissions together stay within what decisions hand out.


def test_a_decision_releases_the_shares_of_all_and_not_the_whole_room() -> None:
    budget = allowance(rate=100.0)
    budget.follow(
        decision(admitters=4, standard=tier(room=120.0, share=2.5, hold=hold())), since_ms=0
    )

    assert 10 == releasable(budget)


def test_the_same_decision_is_granted_once() -> None:
    budget = allowance(rate=100.0)
    made = decision(admitters=4, standard=tier(room=120.0, share=2.5, hold=hold()))
    for now_ms in (0, 1_000, 2_000):
        budget.tick(now_ms)
        budget.follow(made, since_ms=0)
        releasable(budget, now_ms=now_ms)

    assert 10 == len(budget.releases)


def test_small_shares_add_up_to_one_run() -> None:
    budget = allowance(rate=100.0)
    released = []
    for sequence in range(6):
        now_ms = 5_000 * sequence
        entry = tier(room=12.0, share=0.1, hold=hold())
        budget.tick(now_ms)
        budget.follow(decision(sequence, admitters=4, standard=entry), since_ms=now_ms)
        released.append(releasable(budget, now_ms=now_ms))

    assert [1, 0, 0, 1, 0, 0] == released  # a new bucket begins with a run, then 0.4 each


def test_missed_decisions_go_on_granting_shares_until_the_room_is_used() -> None:
    budget = allowance(rate=100.0)
    made = decision(admitters=2, standard=tier(room=9.0, share=1.0, hold=hold()))
    released = []
    for now_ms in range(0, 60_000, 5_000):
        budget.tick(now_ms)
        budget.follow(made, since_ms=0)
        released.append(releasable(budget, now_ms=now_ms))

    assert [2, 0, 2, 2, 2, 1] == released[:6]
    assert 9 == sum(released)


@pytest.mark.parametrize(
    "entry_hold", [None, hold(0), hold(stalled=True)], ids=["off", "none-known", "stalled"]
)
def test_beside_admitters_that_admit_a_release_has_one_share(entry_hold: TierHold | None) -> None:
    budget = allowance(rate=100.0)
    budget.follow(
        decision(admitters=4, standard=tier(room=120.0, share=2.5, hold=entry_hold)), since_ms=0
    )

    assert 2 == releasable(budget)


def test_a_restarted_controller_releases_no_more_than_one_decision_hands_out() -> None:
    made = decision(admitters=4, standard=tier(room=120.0, share=2.5, hold=hold()))
    for now_ms in (0, 2_000):
        budget = Allowance(rate=100.0, interval=5.0, now_ms=now_ms)
        budget.follow(made, since_ms=0)
        assert 10 == releasable(budget, now_ms=now_ms)


def test_room_that_shrinks_takes_back_shares_that_were_not_used() -> None:
    budget = allowance(rate=1.0, interval=1.0)
    big, small = (tier(room=room, share=room / 12, hold=hold()) for room in (120.0, 2.0))
    budget.follow(decision(standard=big), since_ms=0)
    assert 1 == releasable(budget)
    budget.apply_settings(rate=100.0, interval=5.0)
    budget.tick(5_000)

    budget.follow(decision(2, standard=small), since_ms=5_000)

    assert 1 == releasable(budget, now_ms=5_000)


def test_a_higher_tier_that_has_runs_to_start_uses_the_shares_of_lower_ones() -> None:
    budget = allowance(rate=100.0)
    made = decision(
        critical=tier(room=60.0, share=5.0, hold=hold(), priority=0),
        standard=tier(room=48.0, share=4.0, hold=hold(), priority=1),
    )
    budget.follow(made, since_ms=0)

    assert 5 == releasable(budget, "critical")
    assert 0 == releasable(budget, "standard")


def test_an_unknown_tier_has_the_least_room_and_one_share_of_those_that_admit() -> None:
    budget = allowance(rate=100.0)
    made = decision(
        admitters=3,
        critical=tier(room=90.0, share=7.0, hold=hold()),
        standard=tier(room=60.0, share=3.0, hold=hold(0)),
        background=tier(allow=False, room=0.0, hold=hold(9)),
    )
    budget.follow(made, since_ms=0)

    assert 3 == releasable(budget, "gone")


def test_an_override_that_admits_sets_room_and_pace_aside() -> None:
    opened = Override(allow=True, reason="drill", by="sre", since=NOON, until=NOON)
    budget = allowance(rate=2.0, interval=5.0)
    budget.follow(decision(override=opened, standard=tier(room=0.0, hold=hold())), since_ms=0)

    assert 10 == releasable(budget)


class Cluster:
    """Admitters, and a controller with as many held runs as it may start."""

    def __init__(self, admitters: int) -> None:
        self.buckets = [Bucket() for _ in range(admitters)]
        self.controller = Allowance(rate=1e6, interval=5.0, now_ms=0)

    def interval(self, made: Decision, *, now_ms: int) -> int:
        """Let everyone start what they may, and return how many runs that were."""
        entry = made.tiers["standard"]
        started = 0
        for bucket in self.buckets:
            bucket.grant(made, entry)
            queued = entry.hold is not None and entry.hold.held > 0 and not entry.hold.stalled
            while bucket.has_run and not queued:
                bucket.take()
                started += 1
        self.controller.tick(now_ms)
        self.controller.follow(made, since_ms=now_ms)
        return started + releasable(self.controller, now_ms=now_ms)


@given(
    rooms=st.lists(
        st.tuples(st.floats(0, 500), st.sampled_from([None, hold(0), hold(3), hold(stalled=True)])),
        max_size=30,
    ),
    admitters=st.integers(1, 5),
)
def test_released_and_admitted_together_stay_within_what_a_decision_hands_out(
    rooms: list[tuple[float, TierHold | None]], admitters: int
) -> None:
    cluster = Cluster(admitters)
    subscribers = admitters + 1  # the controller is one of them
    for sequence, (room, entry_hold) in enumerate(rooms):
        share = room / 12 / subscribers
        entry = tier(room=room, share=share, hold=entry_hold)
        made = decision(sequence, admitters=subscribers, standard=entry)

        started = cluster.interval(made, now_ms=5_000 * sequence)

        # Where a share is less than one run, decisions before may have added up to one.
        assert started <= max(share, 1.0) * subscribers + 1e-6
