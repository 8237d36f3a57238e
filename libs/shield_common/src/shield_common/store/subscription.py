"""One channel's feed on a Redis connection of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shield_common.store.errors import translated
from shield_common.store.settings import MAX_TIMEOUT

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub


class RedisSubscription:
    """A feed of documents; fulfils ``store.protocol.Subscription``."""

    def __init__(self, pubsub: PubSub, *, skip_empty: bool) -> None:
        self._pubsub = pubsub
        self._skip_empty = skip_empty

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        """See `Subscription`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (left := deadline - loop.time()) > 0:
            with translated():
                message = await self._pubsub.get_message(timeout=left)
            if message is not None and message["type"] == "message":
                data: bytes = message["data"]
                if data or not self._skip_empty:
                    return data
        return None


async def acknowledged(pubsub: PubSub) -> None:
    """Wait until Redis confirms: from then on no message is missed."""
    while True:
        message = await pubsub.get_message(timeout=MAX_TIMEOUT)
        if message is not None and message["type"] == "subscribe":
            return
