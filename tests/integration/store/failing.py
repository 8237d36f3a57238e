"""Verbs that are meant to fail, and how their errors are caught.

The product promises an error within two seconds; a test waits longer, as the machine may be busy,
but not as long as redis-py would by itself.
"""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from shield_common.store.keys import Keys
from shield_common.store.protocol import Publication, Store, StoreError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings

CLUSTER = "rh01"
KEYS = Keys(CLUSTER)
PATIENCE = 8.0  # seconds
LONG_MS = 60_000  # nothing expires during a test

DOCUMENT = Publication(
    holder="ada",
    epoch=9_000_000_000,
    lease_ms=LONG_MS,
    document=b"decision",
    ttl_ms=LONG_MS,
    allow=False,
    latches=b"latches",
)

Verb = Callable[[Store], Awaitable[object]]
OpenStore = Callable[[RedisSettings], RedisStore]


async def subscribe(store: Store) -> None:
    async with store.subscribe_decisions():
        pass


VERBS = pytest.mark.parametrize(
    "verb",
    [
        pytest.param(lambda store: store.read_decision(), id="read"),
        pytest.param(lambda store: store.publish(DOCUMENT), id="publish"),
        pytest.param(subscribe, id="subscribe"),
    ],
)


async def failure_of(verb: Awaitable[object]) -> StoreError:
    """Return the error that a verb ends with, in time."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(StoreError) as caught:
            await verb
    return caught.value
