"""The plan of faults repeats with its seed, or CI could fail for another reason each time."""

from tests.soak.faults import Draws, deck, draws

KINDS = 7


def numbers(plan: Draws, count: int) -> list[int]:
    return [plan.next().number for _ in range(count)]


def test_a_seed_gives_the_same_plan_again() -> None:
    assert numbers(draws(4, KINDS), 50) == numbers(draws(4, KINDS), 50)
    assert numbers(deck(4, range(KINDS)), 50) == numbers(deck(4, range(KINDS)), 50)


def test_a_deck_deals_every_fault_before_any_comes_again() -> None:
    dealt = numbers(deck(4, range(KINDS)), 3 * KINDS)

    rounds = [dealt[first : first + KINDS] for first in range(0, len(dealt), KINDS)]
    assert [list(range(KINDS))] * 3 == [sorted(one) for one in rounds]
