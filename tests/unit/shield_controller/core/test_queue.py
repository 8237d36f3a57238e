"""The order of held runs."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shield_controller.core.queue import Served, in_order, priorities_of, wait_seconds
from shield_controller.core.runs import HeldRun
from tests.unit.shield_controller.builders import decision, run, tier

PRIORITIES = {"critical": 0, "standard": 1}

held_runs = st.lists(
    st.builds(
        run,
        name=st.text("abcdef", min_size=1, max_size=6),
        age=st.integers(0, 50),
        namespace=st.sampled_from(["team-a", "team-b", "team-c"]),
        tier=st.sampled_from(["critical", "standard", "unknown"]),
    ),
    max_size=25,
    unique_by=lambda held: held.uid,
)


def names(runs: list[HeldRun]) -> list[str]:
    return [held.name for held in runs]


def served_by(*runs: HeldRun) -> Served:
    served = Served()
    served.update(runs)
    return served


def test_a_tier_of_higher_priority_goes_first() -> None:
    runs = [run("old", age=100), run("first", tier="critical")]

    assert ["first", "old"] == names(in_order(runs, Served(), PRIORITIES))


def test_a_tier_that_the_decision_does_not_have_goes_last() -> None:
    runs = [run("old", age=100, tier="gone"), run("new")]

    assert ["new", "old"] == names(in_order(runs, Served(), PRIORITIES))


def test_the_older_run_of_a_namespace_goes_first() -> None:
    runs = [run("new", age=1), run("old", age=2)]

    assert ["old", "new"] == names(in_order(runs, Served(), PRIORITIES))


def test_namespaces_take_turns_however_many_runs_they_have() -> None:
    many = [run(f"a{number}", age=100 - number) for number in range(4)]
    few = [run("b0", age=2, namespace="team-b"), run("b1", age=1, namespace="team-b")]

    assert ["a0", "b0", "a1", "b1", "a2", "a3"] == names(
        in_order([*many, *few], Served(), PRIORITIES)
    )


def test_a_namespace_that_was_served_waits_for_the_others() -> None:
    mine, theirs = run("mine", age=100), run("theirs", namespace="team-b")
    served = served_by(mine, theirs)
    served.count(mine)

    assert ["theirs", "mine"] == names(in_order([mine, theirs], served, PRIORITIES))


def test_a_namespace_that_comes_later_takes_turns_and_does_not_catch_up() -> None:
    mine = [run(f"a{number}", age=50 - number) for number in range(10)]
    served = served_by(*mine)
    for held in mine[:8]:
        served.count(held)
    newcomers = [run(f"b{number}", namespace="team-b") for number in range(3)]
    waiting = [*mine[8:], *newcomers]
    served.update(waiting)

    assert ["a8", "b0", "a9", "b1", "b2"] == names(in_order(waiting, served, PRIORITIES))


def test_a_namespace_without_held_runs_is_forgotten() -> None:
    served = served_by(run())
    served.count(run())

    served.update([])

    assert 0 == served.of("standard", "team-a")


@given(held_runs)
def test_every_run_has_exactly_one_place(runs: list[HeldRun]) -> None:
    ordered = in_order(runs, served_by(*runs), PRIORITIES)

    assert sorted(held.uid for held in runs) == sorted(held.uid for held in ordered)


@given(held_runs)
def test_no_run_overtakes_an_older_one_of_its_namespace_and_tier(runs: list[HeldRun]) -> None:
    places: dict[tuple[str, str], list[HeldRun]] = {}
    for held in in_order(runs, served_by(*runs), PRIORITIES):
        places.setdefault((held.tier, held.namespace), []).append(held)

    for queue in places.values():
        assert all(first.age_order <= second.age_order for first, second in pairwise(queue))


@given(held_runs, st.data())
def test_sorting_once_is_the_same_as_taking_one_after_the_other(
    runs: list[HeldRun], data: st.DataObject
) -> None:
    """What `shield-controller queue` shows is what happens."""
    served = served_by(*runs)
    for held in runs:
        for _ in range(data.draw(st.integers(0, 3))):
            served.count(held)
    expected = in_order(runs, served, PRIORITIES)

    left = list(runs)
    taken = []
    while left:
        first = in_order(left, served, PRIORITIES)[0]
        served.count(first)
        left.remove(first)
        taken.append(first)

    assert names(expected) == names(taken)


@given(held_runs)
def test_waiting_namespaces_of_a_tier_are_never_two_turns_apart(runs: list[HeldRun]) -> None:
    left = [held for held in runs if "standard" == held.tier]
    counts: Counter[str] = Counter()
    for held in in_order(left, Served(), PRIORITIES):
        counts[held.namespace] += 1
        left.remove(held)
        waiting = {other.namespace for other in left}
        assert all(counts[held.namespace] - counts[namespace] <= 1 for namespace in waiting)


def test_a_wait_is_known_only_where_something_is_released() -> None:
    assert 120.0 == wait_seconds(4, 2.0)
    assert wait_seconds(4, 0.0) is None


def test_priorities_are_those_of_the_decision() -> None:
    made = decision(standard=tier(priority=1), critical=tier(priority=0))

    assert {"standard": 1, "critical": 0} == priorities_of(made)
    assert {} == priorities_of(None)
