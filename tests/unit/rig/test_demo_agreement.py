"""Agreement of admitters in the demo."""

from tests.demo.agreement import Agreement, Bit

WINDOW = 1.0  # seconds


def agreement(*rounds: tuple[float, list[Bit]]) -> Agreement:
    result = Agreement(WINDOW)
    for at, bits in rounds:
        result.add(at, bits)
    return result


def test_admitters_with_equal_bits_agree() -> None:
    assert agreement((0, [True, True]), (1, [False, False])).holds


def test_admitters_without_a_sample_do_not_agree() -> None:
    assert not agreement().holds


def test_a_short_difference_around_a_change_is_tolerated() -> None:
    seen = agreement((0, [True, True]), (1, [True, False]), (2, [True, False]), (3, [False] * 2))
    assert (2, WINDOW, True) == (seen.unequal_rounds, seen.longest_difference, seen.holds)


def test_a_difference_beyond_the_window_is_a_lasting_disagreement() -> None:
    seen = agreement((0, [True, False]), (1.1, [True, False]), (2, [True, True]))
    assert not seen.holds


def test_short_differences_between_admitters_do_not_add_up() -> None:
    rounds: list[tuple[float, list[Bit]]] = [(at, [True, at % 2 == 0]) for at in range(10)]
    assert agreement(*rounds).holds


def test_an_admitter_that_does_not_answer_differs_from_all() -> None:
    assert not agreement((0, [None, None]), (2, [None, None]), (3, [True, True])).holds
    assert 1 == agreement((0, [True, None])).unequal_rounds
