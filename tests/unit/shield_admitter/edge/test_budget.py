"""Memory for large bodies: first come first served, and never a deadlock."""

from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.edge.budget import BodyBudget, Claim


def nothing() -> None:
    """Stand for a connection that does not care."""


def test_what_fits_is_granted_at_once() -> None:
    budget = BodyBudget(10)
    assert [True, True] == [budget.claim(5, nothing).granted for _ in range(2)]


def test_what_does_not_fit_waits_for_memory() -> None:
    budget, calls = BodyBudget(10), []
    first = budget.claim(8, nothing)
    second = budget.claim(3, lambda: calls.append("second"))
    assert (False, []) == (second.granted, calls)
    first.release()
    assert (True, ["second"], 3) == (second.granted, calls, budget.used)


def test_a_small_one_does_not_overtake() -> None:
    budget = BodyBudget(10)
    budget.claim(8, nothing)
    budget.claim(8, nothing)
    assert not budget.claim(1, nothing).granted


def test_who_gives_up_does_not_hold_up_the_line() -> None:
    budget = BodyBudget(10)
    first, second, third = (budget.claim(8, nothing) for _ in range(3))
    second.release()
    first.release()
    assert (True, 8) == (third.granted, budget.used)


def test_more_than_all_there_is_is_granted_alone() -> None:
    assert BodyBudget(10).claim(11, nothing).granted


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 15)), max_size=60))
def test_whoever_waits_is_served_in_the_end(steps: list[tuple[bool, int]]) -> None:
    budget = BodyBudget(10)
    open_: list[Claim] = []
    for take, number in steps:
        if take or not open_:
            open_.append(budget.claim(number, nothing))
        else:
            open_.pop(number % len(open_)).release()
        granted = [claim.length for claim in open_ if claim.granted]
        assert sum(granted) == budget.used
        assert budget.used <= 10 or len(granted) == 1
    while open_:
        first = next(claim for claim in open_ if claim.granted)
        open_.remove(first)
        first.release()
    assert 0 == budget.used
