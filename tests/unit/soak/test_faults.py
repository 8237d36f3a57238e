"""The plan of faults repeats with its seed, or CI could fail for another reason each time."""

from tests.soak.faults import Draw, Draws, deck, draws

KINDS = 7


def dealt(plan: Draws, count: int) -> list[Draw]:
    return [plan.next() for _ in range(count)]


def test_a_seed_gives_the_same_plan_again() -> None:
    assert dealt(draws(4, KINDS), 50) == dealt(draws(4, KINDS), 50)
    assert dealt(deck(4, range(KINDS)), 50) == dealt(deck(4, range(KINDS)), 50)


def test_a_deck_deals_every_fault_before_any_comes_again() -> None:
    numbers = [draw.number for draw in dealt(deck(4, range(KINDS)), 3 * KINDS)]

    rounds = [numbers[first : first + KINDS] for first in range(0, len(numbers), KINDS)]
    assert [list(range(KINDS))] * 3 == [sorted(one) for one in rounds]
