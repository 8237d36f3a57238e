"""Writing and clearing an override, and waiting for the decision that obeys it.

An override that is only stored admits and denies nothing. The commands therefore subscribe to the
decisions before they write, and return once the evaluator has published one that follows.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common.decision import (
    Decision,
    DocumentError,
    Override,
    decode_decision,
    decode_override,
    encode_override,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.config.types import Duration
    from shield_common.store.protocol import Store, Subscription

# The evaluator decides as soon as it sees the override, without waiting for Prometheus.
PATIENCE_SECONDS: Final = 6.0


async def put(store: Store, override: Override, lasts: Duration) -> Decision | None:
    """Write an override and wait until a decision obeys it.

    Returns:
        The first decision that obeys it; None if there was none in time.

    Raises:
        StoreError: Redis does not answer; the override may or may not be written.
    """
    document = encode_override(override)
    written = decode_override(document)
    async with store.subscribe_decisions() as subscription:
        await store.put_override(document, lasts.milliseconds)
        return await _first(subscription, lambda decision: decision.override == written)


async def clear(store: Store) -> tuple[bool, Decision | None]:
    """Remove the override and wait until a decision is without it.

    Returns:
        Whether there was an override, and the first decision without it; None if there was no such
        decision in time.

    Raises:
        StoreError: Redis does not answer; the override may or may not be removed.
    """
    async with store.subscribe_decisions() as subscription:
        cleared = await store.clear_override()
        return cleared, await _first(subscription, lambda decision: decision.override is None)


async def _first(subscription: Subscription, obeys: Callable[[Decision], bool]) -> Decision | None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while (left := deadline - loop.time()) > 0:
        document = await subscription.next(left)
        if document is None:
            return None
        try:
            decision = decode_decision(document)
        except DocumentError:
            continue
        if obeys(decision):
            return decision
    return None
