"""List and watch: in step again after every fault of the API server, without a busy loop (H8)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from shield_controller.core.runs import HeldRun
from shield_controller.held_runs import HeldRuns
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import EXPIRED, Change
from tests.unit.shield_controller.builders import run
from tests.unit.shield_controller.fakes import FakeRuns
from tests.unit.shield_evaluator.virtual_time import in_virtual_time

pytestmark = pytest.mark.shows("H8")

AWAY = KubernetesError(0, "no answer: connection refused")
OVERLOADED = KubernetesError(429, "too many requests", retry_after=30.0)
COMPACTED = KubernetesError(EXPIRED, "too old resource version")


def held_runs(fake: FakeRuns, on_held: Callable[[HeldRun], None] = lambda _run: None) -> HeldRuns:
    loop = asyncio.get_running_loop()
    return HeldRuns(fake, time=loop.time, random=lambda: 0.5, on_held=on_held)  # type: ignore[arg-type]  # the part that it needs


def follow(fake: FakeRuns, seconds: float) -> HeldRuns:
    """Follow for some time on a virtual clock."""

    async def story() -> HeldRuns:
        held = held_runs(fake)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await held.follow()
        return held

    return in_virtual_time(story())


def added(held: HeldRun, version: str = "9") -> Change:
    return Change(resource_version=version, uid=held.uid, run=held, is_new=True)


def removed(held: HeldRun, version: str = "9") -> Change:
    return Change(resource_version=version, uid=held.uid)


def names(held: HeldRuns) -> list[str]:
    return sorted(each.name for each in held.all)


def test_what_was_held_before_is_known_after_the_list() -> None:
    fake = FakeRuns()
    fake.add(run("one"), run("two"))

    held = follow(fake, 0.5)

    assert held.synced
    assert ["one", "two"] == names(held)


def test_a_watch_adds_and_removes() -> None:
    fake = FakeRuns()
    fake.add(run("one"))
    fake.watches.append([added(run("two")), removed(run("one"))])

    assert ["two"] == names(follow(fake, 0.5))


def test_a_watch_goes_on_where_the_last_one_ended() -> None:
    fake = FakeRuns()
    fake.watches.append([added(run("one"), "41"), Change(resource_version="42")])

    follow(fake, 1.5)

    assert ["list", "watch 1", "watch 42"] == fake.requests


def test_watches_that_end_at_once_are_one_a_second() -> None:
    fake = FakeRuns()

    held = follow(fake, 60.5)

    assert 1 == fake.requests.count("list")
    assert 61 == fake.requests.count("watch 1")
    assert held.problem is None


def test_an_expired_version_means_a_new_list() -> None:
    fake = FakeRuns()
    fake.watches.append([COMPACTED])

    held = follow(fake, 3)

    assert ["list", "watch 1", "list", "watch 2"] == fake.requests[:4]
    assert held.problem is None


def test_versions_that_always_expire_are_no_busy_loop() -> None:
    fake = FakeRuns()
    fake.watches.extend([[COMPACTED]] * 1_000)

    follow(fake, 60)

    assert 61 > fake.requests.count("list")


def test_a_new_list_forgets_what_is_gone() -> None:
    fake = FakeRuns()
    fake.watches.append([added(run("gone")), COMPACTED])
    fake.add(run("stays"))

    assert ["stays"] == names(follow(fake, 3))


def test_an_api_server_that_is_away_is_asked_with_a_growing_pause() -> None:
    fake = FakeRuns()
    fake.list_faults.extend([AWAY] * 1_000)

    held = follow(fake, 60)

    assert 25 > len(fake.requests)
    assert not held.synced
    assert held.problem is not None


def test_an_outage_is_one_line_of_the_log() -> None:
    fake = FakeRuns()
    fake.list_faults.extend([AWAY] * 20)

    with capture_logs() as lines:
        follow(fake, 90)

    assert ["held runs cannot be watched", "held runs are watched again", "held runs listed"] == [
        line["event"] for line in lines
    ]


def test_what_was_known_stays_known_while_the_api_server_is_away() -> None:
    fake = FakeRuns()
    fake.add(run("one"))
    fake.watches.extend([[AWAY]] * 1_000)

    held = follow(fake, 60)

    assert ["one"] == names(held)
    assert held.problem is not None


def test_it_is_in_step_again_when_the_api_server_is_back() -> None:
    fake = FakeRuns()
    fake.add(run("one"))
    fake.watches.extend([[AWAY]] * 3)
    fake.watches.append([removed(run("one")), added(run("two"))])

    held = follow(fake, 30)

    assert ["two"] == names(held)
    assert held.problem is None


def test_a_watch_that_is_open_again_is_enough_while_no_run_changes() -> None:
    fake = FakeRuns()
    fake.watches.extend([[AWAY], [None]])

    held = follow(fake, 10)

    assert ["list", "watch 1", "watch 1"] == fake.requests
    assert held.problem is None


def test_watches_that_open_and_break_are_tried_with_a_growing_pause() -> None:
    fake = FakeRuns()
    fake.watches.extend([[Change(resource_version="1"), AWAY]] * 1_000)

    follow(fake, 60)

    assert 25 > len(fake.requests)


def test_what_was_held_at_a_version_that_expired_may_be_out_of_date() -> None:
    fake = FakeRuns()
    fake.watches.append([Change(resource_version="1"), COMPACTED])
    fake.list_faults.extend([None, *[OVERLOADED] * 10])

    assert follow(fake, 0.1).problem is not None


def test_an_overloaded_api_server_gets_the_pause_that_it_asks_for() -> None:
    fake = FakeRuns()
    fake.list_faults.extend([OVERLOADED] * 10)

    follow(fake, 61)

    assert 3 == len(fake.requests)


def test_a_run_that_is_held_while_watching_is_announced_once() -> None:
    fake = FakeRuns()
    fake.add(run("old"))
    new = run("new")
    fake.watches.append([added(run("old")), added(new), added(new)])
    announced: list[str] = []

    async def story() -> None:
        held = held_runs(fake, lambda each: announced.append(each.name))
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await held.follow()

    in_virtual_time(story())

    assert ["new"] == announced


def test_a_run_that_changed_since_it_was_read_is_not_discarded() -> None:
    async def story() -> list[str]:
        fake = FakeRuns()
        fake.add(run("one", generation=2))
        held = held_runs(fake)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await held.follow()
        held.discard(run("one", generation=1))
        return names(held)

    assert ["one"] == in_virtual_time(story())
