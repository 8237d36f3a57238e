"""The pace of the flood."""

import asyncio
from contextlib import suppress

import pytest

from tests.demo.flood import Flood, next_due

GAP = 0.01  # seconds


def test_the_flood_keeps_its_pace_after_a_late_creation() -> None:
    assert 1.01 == next_due(previous=1.0, now=1.005, gap=GAP)


def test_the_flood_does_not_catch_up_after_a_pause() -> None:
    assert 5.0 == next_due(previous=1.0, now=5.0, gap=GAP)


async def test_the_flood_limits_concurrent_creations() -> None:
    under_way: set[int] = set()
    full = asyncio.Event()

    async def never_answered(number: int) -> None:
        under_way.add(number)
        if len(under_way) == 3:
            full.set()
        await asyncio.Event().wait()

    flood = asyncio.create_task(Flood(never_answered, per_second=1e6, in_flight=3).run())
    await asyncio.wait_for(full.wait(), 5)
    for _ in range(10):
        await asyncio.sleep(0)
    assert {1, 2, 3} == under_way
    flood.cancel()
    with suppress(asyncio.CancelledError):
        await flood


async def test_a_failed_creation_ends_the_flood() -> None:
    async def failing(number: int) -> None:
        raise ConnectionError(number)

    with pytest.raises(ExceptionGroup) as raised:
        await asyncio.wait_for(Flood(failing, per_second=1000, in_flight=1).run(), 5)
    assert raised.group_contains(ConnectionError)
