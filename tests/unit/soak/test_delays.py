"""What the soak's deadlines make of a busy machine."""

import asyncio
import os
from collections.abc import Callable

import pytest

from tests.soak.delays import Delays, waited_for_cpu, within
from tests.unit.shield_evaluator.virtual_time import in_virtual_time

HAS_SECONDS = 10.0


async def _answer_after(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


def _asked(seconds: float, lost: Callable[[float], float]) -> float:
    """Ask a server that takes so long; `lost` has how much of a time was lost."""

    async def ask() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answer = _answer_after(seconds)
        return await within(answer, HAS_SECONDS, lost=lambda: lost(loop.time() - began))

    return in_virtual_time(ask())


def test_an_answer_in_time_is_taken() -> None:
    assert 9.9 == _asked(9.9, lambda _passed: 0.0)


def test_a_late_answer_on_an_idle_machine_is_missing() -> None:
    with pytest.raises(TimeoutError, match=r"10\.1 s, of which 0\.0 s without a CPU"):
        _asked(10.5, lambda _passed: 0.0)


def test_an_answer_that_is_late_by_what_was_lost_is_taken() -> None:
    assert 19.5 == _asked(19.5, lambda passed: passed / 2)


def test_an_answer_that_is_later_than_what_was_lost_is_missing() -> None:
    with pytest.raises(TimeoutError):
        _asked(20.5, lambda passed: passed / 2)


def test_what_the_tick_after_the_deadline_finds_counts_too() -> None:
    # The event loop stood still; the timer that measures it comes after the deadline's.
    assert 12.0 == _asked(12.0, lambda passed: 0.0 if passed <= HAS_SECONDS else 5.0)


def _ticked(*ticks: tuple[float, float, dict[str, tuple[int, float]]]) -> Delays:
    delays = Delays()
    for at, late, waits in ticks:
        delays.tick(at, late=late, waits=waits)
    return delays


def test_waits_of_the_soak_and_of_the_server_are_lost() -> None:
    delays = _ticked(
        (0.0, 0.0, {"": (1, 7.0), "admitter-1": (2, 3.0)}),
        (1.0, 0.0, {"": (1, 7.25), "admitter-1": (2, 3.5)}),
    )
    assert 0.75 == delays.lost("admitter-1")


def test_a_late_event_loop_that_waited_for_a_cpu_is_lost_once() -> None:
    delays = _ticked(
        (0.0, 0.0, {"": (1, 7.0), "admitter-1": (2, 3.0)}),
        (1.0, 0.5, {"": (1, 7.25), "admitter-1": (2, 3.0)}),
    )
    assert 0.5 == delays.lost("admitter-1")


def test_no_more_is_lost_than_has_passed() -> None:
    delays = _ticked(
        (0.0, 0.0, {"": (1, 0.0), "admitter-1": (2, 0.0)}),
        (1.0, 0.9, {"": (1, 0.9), "admitter-1": (2, 0.9)}),
    )
    assert 1.0 == delays.lost("admitter-1")


def test_the_waits_of_a_new_process_begin_anew() -> None:
    delays = _ticked(
        (0.0, 0.0, {"admitter-1": (2, 5.0)}),
        (1.0, 0.0, {"admitter-1": (3, 0.75)}),
        (2.0, 0.0, {"admitter-1": (3, 1.0)}),
    )
    assert 0.25 == delays.lost("admitter-1")


def test_a_process_that_is_gone_has_not_waited() -> None:
    assert 0.0 == waited_for_cpu(2**22 + 1)


def test_what_the_kernel_counts_is_in_seconds() -> None:
    assert 0.0 <= waited_for_cpu(os.getpid()) < 3600
