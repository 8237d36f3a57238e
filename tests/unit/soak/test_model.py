"""The soak's model must itself be right: it is what everything else is held against."""

import pytest

from tests.soak.model import ADMIT, DENY, EVERYTHING, Model
from tests.unit.soak.bounds import BOUNDS


def after(*looks: tuple[float, float], model: Model | None = None) -> Model:
    model = model or Model(BOUNDS)
    for at, usage in looks:
        model.look(at, [usage, 0.0])
    return model


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([(0, 0.1)], {ADMIT}, id="low from the start"),
        pytest.param([(0, 0.1), (1, 0.4)], {ADMIT}, id="in between keeps the bit"),
        pytest.param([(0, 0.1), (1, 0.5)], {ADMIT, DENY}, id="at set both are possible"),
        pytest.param([(0, 0.6), (5, 0.6)], {DENY}, id="above set for long it must deny"),
        pytest.param([(0, 0.6), (5, 0.6), (6, 0.4)], {DENY}, id="back in between it stays denied"),
        pytest.param(
            [(0, 0.6), (5, 0.6), (6, 0.29)], {ADMIT, DENY}, id="below reset both are possible"
        ),
        pytest.param(
            [(0, 0.6), (5, 0.6), (6, 0.2), (11, 0.2)],
            {ADMIT},
            id="below reset for long it must admit",
        ),
        pytest.param(
            [(0, 0.6), (4, 0.4), (8, 0.6)],
            {ADMIT, DENY},
            id="an interruption starts the time again",
        ),
    ],
)
def test_possible_bits_follow_usage(looks: list[tuple[float, float]], expected: set[bool]) -> None:
    model = after(*looks)

    assert expected == model.possible(looks[-1][0], looks[-1][0])


def test_while_disturbed_nothing_must_happen() -> None:
    model = Model(BOUNDS)
    model.disturb()
    after((0, 0.6), (60, 0.6), model=model)

    assert EVERYTHING == model.possible(60, 60)


def test_after_a_disturbance_the_shield_has_time_to_settle() -> None:
    model = Model(BOUNDS)
    model.disturb()
    after((0, 0.6), (60, 0.6), model=model)
    model.calm(60)

    after((64, 0.6), model=model)
    assert EVERYTHING == model.possible(64, 64)

    after((65, 0.6), model=model)
    assert {DENY} == model.possible(65, 65)


def test_a_denial_stays_the_only_answer_through_disturbances_while_usage_is_not_low() -> None:
    model = after((0, 0.6), (5, 0.6))
    model.disturb()
    after((6, 0.4), (60, 0.4), model=model)

    assert {DENY} == model.possible(6, 60)


def test_lost_latches_make_everything_possible() -> None:
    model = after((0, 0.6), (5, 0.6), (6, 0.4))
    model.lost(7)

    assert EVERYTHING == model.possible(7, 8)


def test_an_answer_is_held_against_all_that_was_possible_while_it_was_under_way() -> None:
    model = after((0, 0.1), (5, 0.6), (10, 0.6))

    assert {ADMIT} == model.possible(1, 2)
    assert {ADMIT, DENY} == model.possible(4, 6)
    assert {DENY} == model.possible(10, 11)
