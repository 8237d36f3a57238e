"""How announcements of overrides are followed while the subscription breaks, in virtual time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from shield_common.store.protocol import StoreError, Subscription
from shield_evaluator import override
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.unit.shield_evaluator.virtual_time import in_virtual_time


class Broken:
    """A subscription that ends with an error as soon as it is listened to."""

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - as the protocol has it
        raise StoreError("malformed", f"no message within {timeout} s can be read")


class BreakingStore(MemoryStore):
    """Confirms each subscription, and breaks it at once."""

    @asynccontextmanager
    async def subscribe_overrides(  # type: ignore[override]  # not the memory store's subscription
        self,
    ) -> AsyncIterator[Subscription]:
        yield Broken()


async def _subscriptions_within(seconds: float) -> list[float]:
    loop = asyncio.get_running_loop()
    times: list[float] = []
    store = BreakingStore(MemoryBackend(now_ms=lambda: 0), cluster="rh01")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await override.follow(store, lambda: times.append(loop.time()))
    return times


def test_r12_a_subscription_that_breaks_after_its_confirmation_is_renewed_with_backoff() -> None:
    times = in_virtual_time(_subscriptions_within(60))
    longest = max(later - earlier for earlier, later in pairwise(times))
    assert 2.5 <= longest <= 5.0  # half to all of `lifecycle.BACKOFF_MOST`
