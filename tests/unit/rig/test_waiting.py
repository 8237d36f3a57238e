"""Polling for a condition with a deadline."""

import asyncio

import pytest

from tests.rig.errors import NotInTimeError
from tests.rig.waiting import wait_until


async def test_waiting_ends_with_the_first_true_poll() -> None:
    answers = iter([False, False, True])
    await wait_until(lambda: next(answers), within=5, what="the third answer", every=0)


async def test_a_coroutine_can_be_a_condition() -> None:
    async def here() -> bool:
        return True

    await wait_until(here, within=5, what="nothing much")


async def test_a_missed_deadline_names_the_condition() -> None:
    with pytest.raises(NotInTimeError, match=r"waited 0\.01 s for godot"):
        await wait_until(lambda: False, within=0.01, what="godot", every=0.001)


async def test_a_hanging_condition_does_not_outlast_the_deadline() -> None:
    with pytest.raises(NotInTimeError):
        await wait_until(asyncio.Event().wait, within=0.01, what="an event that nobody sets")


async def test_an_error_of_the_condition_ends_the_wait() -> None:
    def broken() -> bool:
        raise ConnectionError("no")

    with pytest.raises(ConnectionError):
        await wait_until(broken, within=5, what="something broken")


async def test_a_timeout_of_the_condition_itself_is_not_taken_for_the_deadline() -> None:
    async def slow_server() -> bool:
        raise TimeoutError("the request took too long")

    with pytest.raises(TimeoutError, match="the request"):
        await wait_until(slow_server, within=5, what="a slow server")
