"""Setting and clearing an override, and seeing that the evaluator took it up."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from shield_common.decision import (
    Decision,
    DecisionError,
    Override,
    decode_decision,
    decode_override,
    encode_override,
)
from shield_common.store.protocol import DecisionReader, OverrideStore, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.durations import Duration

# An override is for an incident. What should hold for longer belongs into the configuration.
MAX_SECONDS: Final = 24 * 3600.0
MIN_SECONDS: Final = 1.0
# It stands in every denial, behind the other words, on one line.
MAX_REASON: Final = 200
MAX_BY: Final = 100
# The evaluator decides at once; a cycle that waits for a slow Prometheus ends before that.
PATIENCE_SECONDS: Final = 6.0


class Store(DecisionReader, OverrideStore, Protocol):
    """What an override needs of the store."""


def compose(
    *,
    allow: bool,
    tiers: tuple[str, ...] | None,
    lasts: Duration,
    reason: str,
    by: str,
    now: datetime,
) -> Override:
    """Put an override together.

    Args:
        allow: the bit to force.
        tiers: which tiers; None means all.
        lasts: for how long, from `MIN_SECONDS` to `MAX_SECONDS`.
        reason: why, one line.
        by: who.
        now: when it is set; only a label.

    Raises:
        ValueError: the message says what to change.
    """
    if not MIN_SECONDS <= lasts <= MAX_SECONDS:
        raise ValueError("--for must be from 1s to 24h: what has to last longer is configuration")
    return Override(
        allow=allow,
        tiers=tiers,
        reason=_line("--reason", reason, MAX_REASON),
        by=_line("--by", by, MAX_BY),
        since=now.astimezone(UTC),
        until=now.astimezone(UTC) + timedelta(seconds=lasts),
    )


async def put(store: Store, override: Override, lasts: Duration) -> Decision | None:
    """Set an override.

    Returns:
        The first decision that obeys it; None if none came in time.

    Raises:
        StoreError: Redis does not answer; the override may or may not be set.
    """
    document = encode_override(override)
    written = decode_override(document)
    async with store.subscribe_decisions() as subscription:
        await store.put_override(document, lasts.milliseconds)
        return await _awaited(subscription, lambda decision: decision.override == written)


async def clear(store: Store) -> tuple[bool, Decision | None]:
    """Remove the override.

    Returns:
        Whether there was one, and the first decision without it; None if none came in time.

    Raises:
        StoreError: Redis does not answer; the override may or may not be there.
    """
    async with store.subscribe_decisions() as subscription:
        cleared = await store.clear_override()
        return cleared, await _awaited(subscription, lambda decision: decision.override is None)


async def _awaited(
    subscription: Subscription, obeys: Callable[[Decision], bool]
) -> Decision | None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while (left := deadline - loop.time()) > 0:
        document = await subscription.next(left)
        if document is None:
            return None
        try:
            decision = decode_decision(document)
        except DecisionError:
            continue
        if obeys(decision):
            return decision
    return None


def _line(option: str, text: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise ValueError(f"{option} must not be empty")
    if len(text) > longest:
        raise ValueError(f"{option} must not be longer than {longest} characters")
    if not text.isprintable():
        raise ValueError(f"{option} must be one line without control characters")
    return text
