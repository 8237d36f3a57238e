"""The bucket by which an admitter keeps to its share of the room."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.bucket import Bucket

FIRST = (7, 1)
SECOND = (7, 2)


def _filled(share: float, *, total: float = 1e9, missed: int = 0) -> Bucket:
    bucket = Bucket()
    bucket.fill(share, order=FIRST, total=total, missed_intervals=missed)
    return bucket


def test_a_new_bucket_has_no_run() -> None:
    assert Bucket().has_run is False


def test_a_decision_grants_its_share_once() -> None:
    bucket = _filled(5)
    bucket.fill(5, order=FIRST, total=1e9, missed_intervals=0)
    assert 5 == bucket.tokens


def test_an_unused_share_does_not_add_up_to_a_burst() -> None:
    bucket = _filled(5)
    bucket.fill(5, order=SECOND, total=1e9, missed_intervals=0)
    assert 5 == bucket.tokens


def test_small_shares_add_up_to_one_run() -> None:
    bucket = _filled(0.25)
    bucket.take()
    after = []
    for sequence in range(2, 6):
        bucket.fill(0.25, order=(7, sequence), total=1e9, missed_intervals=0)
        after.append(bucket.has_run)
    assert [False, False, False, True] == after


@pytest.mark.parametrize(("total", "has_run"), [(1.0, True), (0.99, False)])
def test_a_bucket_begins_with_a_run_where_one_fits_for_each_admitter(
    total: float, *, has_run: bool
) -> None:
    assert has_run is _filled(0.1, total=total).has_run


def test_a_smaller_share_takes_back_what_is_beyond_it() -> None:
    bucket = _filled(50)
    bucket.fill(2, order=SECOND, total=1e9, missed_intervals=0)
    assert 2 == bucket.tokens


def test_missed_decisions_go_on_granting_the_last_share() -> None:
    bucket = _filled(1)
    bucket.take()
    bucket.fill(1, order=FIRST, total=1e9, missed_intervals=1)
    assert 1 == bucket.tokens


def test_missed_decisions_grant_no_more_than_the_room() -> None:
    bucket = _filled(2, total=3)
    taken = 0
    for missed in range(10):
        bucket.fill(2, order=FIRST, total=3, missed_intervals=missed)
        while bucket.has_run:
            bucket.take()
            taken += 1
    assert 3 == taken


def test_runs_that_are_never_paced_leave_a_debt_of_one_run_at_most() -> None:
    bucket = _filled(1)
    for _ in range(9):
        bucket.take()
    assert -1 == bucket.tokens


@pytest.mark.parametrize("missed", [0, 3], ids=["in-step", "decisions-missing"])
@given(shares=st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_what_is_handed_out_never_exceeds_what_was_granted_by_more_than_one_run(
    missed: int, shares: list[float]
) -> None:
    bucket, taken = Bucket(), 0
    for sequence, share in enumerate(shares):
        bucket.fill(share, order=(1, sequence), total=share * 5, missed_intervals=missed)
        while bucket.has_run:
            bucket.take()
            taken += 1
    assert taken <= 1 + sum(shares) * (1 + missed) + 1e-6
