"""Background tasks that survive their bugs, and how long to wait between tries."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from shield_common.lifecycle import (
    BACKOFF_FIRST,
    BACKOFF_MOST,
    BackgroundTask,
    backoff,
    stop_signal,
)
from tests.rig.waiting import wait_until

PATIENCE = 10.0  # seconds


async def for_ever() -> None:
    await asyncio.Event().wait()


class Runs:
    """Counts starts; the first so many end in their own way."""

    def __init__(self, *ends: Callable[[], Awaitable[None]]) -> None:
        self.started = 0
        self._ends = ends

    async def __call__(self) -> None:
        self.started += 1
        if self.started <= len(self._ends):
            await self._ends[self.started - 1]()
        else:
            await for_ever()


async def crash() -> None:
    raise RuntimeError("a bug")


async def end() -> None:
    pass


@pytest.mark.parametrize("way", [crash, end], ids=["crashes", "ends by itself"])
async def test_a_task_is_started_again_when_it(way: Callable[[], Awaitable[None]]) -> None:
    crashes: list[str] = []
    runs = Runs(way, way)
    task = BackgroundTask("follow", runs, on_crash=crashes.append, restart_after=0)
    await task.start()
    await wait_until(lambda: runs.started == 3, within=PATIENCE, what="two restarts")
    await task.stop()
    assert ["follow", "follow"] == crashes


async def test_a_stopped_task_is_cancelled_and_not_started_again() -> None:
    runs = Runs()
    task = BackgroundTask("follow", runs, restart_after=0)
    await task.start()
    await wait_until(lambda: runs.started == 1, within=PATIENCE, what="the start")
    await task.stop()
    await asyncio.sleep(0)
    assert 1 == runs.started


async def test_stopping_waits_for_the_tasks_own_end() -> None:
    ended: list[bool] = []

    async def tidy() -> None:
        try:
            await for_ever()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    task = BackgroundTask("tidy", tidy)
    await task.start()
    await asyncio.sleep(0)
    await task.stop()
    assert [True] == ended


async def test_stopping_twice_or_before_the_start_does_nothing() -> None:
    task = BackgroundTask("follow", for_ever)
    await task.stop()
    await task.start()
    await task.stop()
    await task.stop()


async def test_a_running_task_is_not_started_twice() -> None:
    task = BackgroundTask("follow", for_ever)
    await task.start()
    with pytest.raises(RuntimeError, match="follow is running already"):
        await task.start()
    await task.stop()


async def test_a_stopped_task_can_be_started_again() -> None:
    runs = Runs()
    task = BackgroundTask("follow", runs)
    for _ in range(2):
        await task.start()
        await asyncio.sleep(0)
        await task.stop()
    assert 2 == runs.started


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_sets_the_event(number: signal.Signals) -> None:
    event = stop_signal()
    os.kill(os.getpid(), number)
    await asyncio.wait_for(event.wait(), PATIENCE)


@pytest.mark.parametrize("failures", [1, 2, 5, 100, 10_000])
@pytest.mark.parametrize("chance", [0.0, 0.5, 1.0])
def test_a_wait_is_neither_a_hot_loop_nor_for_ever(failures: int, chance: float) -> None:
    assert BACKOFF_FIRST / 2 <= backoff(failures, chance) <= BACKOFF_MOST


def test_waits_grow_with_the_failures() -> None:
    waits = [backoff(failures, 1.0) for failures in range(1, 12)]
    assert (waits, BACKOFF_MOST) == (sorted(waits), waits[-1])


def test_chance_spreads_the_waits_of_many() -> None:
    assert 0.5 * backoff(5, 1.0) == backoff(5, 0.0)
