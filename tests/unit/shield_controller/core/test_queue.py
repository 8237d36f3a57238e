"""The order of held runs, and how many may start."""

from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from shield_controller.core.queue import (
    MINUTES,
    Allowance,
    Served,
    in_order,
    priorities_of,
    wait_seconds,
)
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


# How many may start.


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
    budget.accept(None, since_ms=0)

    assert not budget.permits("standard")


def test_nothing_starts_in_a_tier_that_denies() -> None:
    budget = allowance()
    budget.accept(decision(standard=tier(allow=False, room=9.0)), since_ms=0)

    assert not budget.permits("standard")


def test_an_interval_brings_what_the_rate_says() -> None:
    budget = allowance(rate=2.0, interval=5.0)
    budget.accept(decision(), since_ms=0)

    assert 10 == releasable(budget)
    budget.tick(3_000)
    assert 6 == releasable(budget)


def test_a_rate_of_less_than_one_run_an_interval_starts_one_at_a_time() -> None:
    budget = allowance(rate=1 / 60, interval=5.0)
    budget.accept(decision(), since_ms=0)

    assert 1 == releasable(budget)
    budget.tick(59_000)
    assert 0 == releasable(budget)
    budget.tick(60_000)
    assert 1 == releasable(budget)


def test_no_more_start_than_the_tier_has_room_for() -> None:
    budget = allowance(rate=100.0)
    budget.accept(decision(standard=tier(room=3.9)), since_ms=0)

    assert 3 == releasable(budget)


def test_what_one_tier_starts_is_room_that_the_others_no_longer_have() -> None:
    budget = allowance(rate=100.0)
    budget.accept(decision(standard=tier(room=3.0), critical=tier(room=5.0)), since_ms=0)

    assert 3 == releasable(budget, "standard")
    assert 2 == releasable(budget, "critical")


def test_a_decision_that_knows_the_releases_gives_its_room_anew() -> None:
    budget = allowance(rate=100.0)
    budget.accept(decision(standard=tier(room=3.0)), since_ms=0)
    releasable(budget, now_ms=0)
    budget.tick(5_000)

    budget.accept(decision(2, standard=tier(room=2.0)), since_ms=5_000)

    assert 2 == releasable(budget, now_ms=5_000)


def test_a_decision_that_was_made_at_the_same_time_does_not_know_the_releases() -> None:
    budget = allowance(rate=100.0)
    budget.accept(decision(standard=tier(room=3.0)), since_ms=0)
    releasable(budget, now_ms=4_500)
    budget.tick(5_000)

    budget.accept(decision(2, standard=tier(room=3.0)), since_ms=5_400)

    assert 0 == releasable(budget, now_ms=5_000)


def test_a_tier_without_a_run_cost_has_the_rate_alone() -> None:
    budget = allowance(rate=7.0, interval=1.0)
    budget.accept(decision(standard=tier(room=None)), since_ms=0)

    assert 7 == releasable(budget)


def test_a_tier_that_the_decision_lacks_follows_the_default_bit() -> None:
    budget = allowance()
    budget.accept(decision(allow=True), since_ms=0)
    assert budget.permits("gone")

    budget.accept(decision(allow=False), since_ms=0)
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
        budget.accept(made, since_ms=now_ms)
        number = releasable(budget, now_ms=now_ms)
        assert number <= max(1.0, rate * 5.0)
        assert number <= room
        assert allow or 0 == number


def test_the_rate_of_releases_is_a_mean_over_minutes() -> None:
    budget = allowance(rate=100.0)
    budget.accept(decision(), since_ms=0)
    for _ in range(10):
        budget.count("standard", now_ms=0)
    budget.tick(1_000)
    assert 10 / MINUTES == budget.per_minute("standard")

    budget.tick(MINUTES * 60_000 + 1)
    assert 0 == budget.per_minute("standard")


def test_a_wait_is_known_only_where_something_is_released() -> None:
    assert 120.0 == wait_seconds(4, 2.0)
    assert wait_seconds(4, 0.0) is None


def test_priorities_are_those_of_the_decision() -> None:
    made = decision(standard=tier(priority=1), critical=tier(priority=0))

    assert {"standard": 1, "critical": 0} == priorities_of(made)
    assert {} == priorities_of(None)
