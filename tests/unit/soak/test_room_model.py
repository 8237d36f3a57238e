"""The soak's model of room must itself be right: it is what everything else is held against."""

import pytest

from tests.soak.room_model import RoomModel
from tests.unit.soak.bounds import ROOM_BOUNDS


@pytest.fixture
def model() -> RoomModel:
    return RoomModel(ROOM_BOUNDS)


def test_runs_may_fill_etcd_up_to_the_target_and_the_slack(model: RoomModel) -> None:
    assert model.look(0, 0.45) is None


def test_runs_that_fill_etcd_further_are_wrong(model: RoomModel) -> None:
    assert pytest.approx(0.01) == model.look(0, 0.46)


def test_what_others_wrote_is_not_the_runs_doing(model: RoomModel) -> None:
    model.others = 200

    assert model.look(0, 0.6) is None


def test_for_a_while_after_a_loss_etcd_may_be_fuller(model: RoomModel) -> None:
    model.lost(0)

    assert model.look(10, 0.6) is None
    assert pytest.approx(0.15) == model.look(10.1, 0.6)


def test_an_etcd_that_has_long_been_empty_has_room(model: RoomModel) -> None:
    model.look(0, 0.1)
    model.look(5, 0.1)

    assert not model.may_close(5)


@pytest.mark.parametrize(("usage", "left"), [(0.3, 0), (0.1, 15)])
def test_what_is_written_or_still_to_be_written_takes_room(
    model: RoomModel, usage: float, left: int
) -> None:
    model.left = left
    model.look(0, usage)
    model.look(60, usage)

    assert model.may_close(60)


def test_a_shield_has_time_to_see_that_there_is_room(model: RoomModel) -> None:
    model.look(0, 0.3)
    model.look(10, 0.1)

    assert model.may_close(14)
    assert not model.may_close(15)


def test_while_disturbed_and_shortly_after_it_may_close(model: RoomModel) -> None:
    model.look(0, 0.1)
    model.disturb()
    assert model.may_close(60)

    model.calm(60)
    assert model.may_close(64)
    assert not model.may_close(65)


@pytest.mark.parametrize(
    ("at", "runs", "expected"),
    [
        pytest.param(10, 0, True, id="not counted yet"),
        pytest.param(10, 4, True, id="counted before they are seen"),
        pytest.param(10, 5, False, id="more than there are"),
        pytest.param(12, 2, True, id="one is not counted yet"),
        pytest.param(12, 1, False, id="not counted for long"),
        pytest.param(14, 1, False, id="forgotten too early"),
        pytest.param(14.1, 0, True, id="finished"),
        pytest.param(17, 3, True, id="finished and still shown"),
        pytest.param(17.1, 2, False, id="not finished for long"),
    ],
)
def test_reservations_are_those_of_runs_that_write(
    model: RoomModel, at: float, runs: int, *, expected: bool
) -> None:
    for _ in range(3):
        model.begin(10, 7)

    assert expected == model.may_reserve(at, runs)
    assert 21 == model.left


def test_nothing_is_said_of_reservations_while_and_shortly_after_something_is_broken(
    model: RoomModel,
) -> None:
    model.disturb()
    assert model.may_reserve(60, 99)

    model.calm(60)
    assert model.may_reserve(71, 99)
    assert not model.may_reserve(72, 99)
