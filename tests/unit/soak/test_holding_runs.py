"""The soak's model of held runs must itself be right: it is what every run is held against."""

from dataclasses import replace

import pytest

from tests.soak.holding.runs import Runs, RunState, Seen
from tests.soak.model import Model
from tests.soak.room_model import RoomModel
from tests.unit.soak.bounds import BOUNDS, ROOM_BOUNDS

STARTED = RunState(name="run-1", uid="a", generation=1, is_pending=False, is_marked=False)
HELD = replace(STARTED, is_pending=True, is_marked=True)
RELEASED = replace(STARTED, generation=2)


@pytest.fixture
def runs() -> Runs:
    """Runs before an etcd that has long been empty."""
    made = Runs(model=Model(BOUNDS), room=RoomModel(ROOM_BOUNDS), delay=2.0)
    look(made, (0, 0.1), (5, 0.1))
    return made


def look(runs: Runs, *looks: tuple[float, float]) -> None:
    for at, usage in looks:
        runs.model.look(at, [usage])
        runs.room.look(at, usage)


def close(runs: Runs) -> None:
    """Let only denying be possible from second 15 on."""
    look(runs, (10, 0.6), (15, 0.6))


def seen(runs: Runs, *states: RunState, at: float) -> list[str]:
    return [what for state in states for what in runs.see(state, at).wrong]


def test_a_run_that_starts_at_once_is_right_while_there_is_room(runs: Runs) -> None:
    assert [] == runs.create(STARTED, sent=6, received=7)
    assert Seen(starts=True, wrong=[]) == runs.see(STARTED, 7)


def test_a_run_starts_once_however_often_it_is_seen(runs: Runs) -> None:
    runs.see(STARTED, 7)

    assert Seen(wrong=[]) == runs.see(STARTED, 8)


def test_a_run_that_starts_while_closed_is_wrong(runs: Runs) -> None:
    close(runs)

    assert ["run-1 started at once while only denying was possible"] == runs.create(
        STARTED, sent=16, received=17
    )


def test_a_run_may_be_held_while_closed(runs: Runs) -> None:
    close(runs)

    assert [] == runs.create(HELD, sent=16, received=17)


def test_a_run_that_is_held_without_a_reason_to_is_wrong(runs: Runs) -> None:
    assert ["run-1 was held although there was room and no queue"] == runs.create(
        HELD, sent=6, received=7
    )


def test_a_run_may_be_held_behind_another_one_and_shortly_after_the_last(runs: Runs) -> None:
    runs.see(replace(HELD, name="run-0"), 6)
    assert [] == runs.create(HELD, sent=60, received=60)

    runs.see(replace(RELEASED, name="run-0"), 61)
    assert [] == runs.create(HELD, sent=65, received=65)
    assert [] != runs.create(HELD, sent=66, received=66)


def test_a_run_may_be_held_while_something_is_broken(runs: Runs) -> None:
    runs.model.disturb()

    assert [] == runs.create(HELD, sent=6, received=7)


def test_a_pending_run_needs_label_and_reason(runs: Runs) -> None:
    close(runs)

    assert ["run-1 is pending without label and reason"] == runs.create(
        replace(HELD, is_marked=False), sent=16, received=17
    )


def test_a_held_run_is_released_once(runs: Runs) -> None:
    runs.see(HELD, 6)

    assert Seen(starts=True, was_held=True, wrong=[]) == runs.see(RELEASED, 7)
    assert (1, set()) == (runs.released, runs.waiting)


def test_a_release_while_closed_is_wrong(runs: Runs) -> None:
    close(runs)

    assert not runs.may_release(18, 18)


def test_a_release_may_have_been_decided_a_little_earlier(runs: Runs) -> None:
    close(runs)

    assert runs.may_release(16, 18)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(STARTED, HELD, "run-1 went back to pending after its start", id="back"),
        pytest.param(
            STARTED, replace(STARTED, generation=3), "run-1 was changed 2 times", id="twice"
        ),
        pytest.param(
            STARTED, replace(STARTED, uid="b"), "run-1 is another run than before", id="other"
        ),
    ],
)
def test_a_run_that_starts_twice_or_is_replaced_is_wrong(
    runs: Runs, before: RunState, after: RunState, expected: str
) -> None:
    assert [expected] == seen(runs, before, after, at=7)


def test_a_refusal_is_right_only_while_something_is_broken_or_was_just_mended(runs: Runs) -> None:
    assert not runs.may_refuse(6)

    runs.model.disturb()
    assert runs.may_refuse(6)

    runs.model.calm(7)
    assert runs.may_refuse(11)
    assert not runs.may_refuse(12)


def test_the_object_may_show_what_was_possible_until_shortly_before(runs: Runs) -> None:
    close(runs)

    assert runs.may_show(16, 16, allow=True)  # 2 s ago admitting was possible
    assert not runs.may_show(17.1, 17.2, allow=True)
    assert runs.may_show(17.1, 17.2, allow=False)


def test_the_object_may_deny_for_lack_of_room_but_not_without_a_reason(runs: Runs) -> None:
    assert not runs.may_show(8, 8, allow=False)

    look(runs, (8, 0.35))
    assert runs.may_show(8, 8, allow=False)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param([STARTED], [], id="started"),
        pytest.param([], ["run-1 was created and is gone"], id="gone"),
        pytest.param([HELD], ["run-1 is still held"], id="held"),
    ],
)
def test_in_the_end_every_run_has_started(
    runs: Runs, states: list[RunState], expected: list[str]
) -> None:
    runs.create(STARTED, sent=6, received=7)
    for state in states:
        runs.see(state, 7)

    assert expected == runs.judge_rest(states)


def test_a_run_that_exists_and_never_started_is_lost(runs: Runs) -> None:
    runs.create(STARTED, sent=6, received=7)

    assert ["run-1 was created and never seen to start"] == runs.judge_rest([STARTED])
