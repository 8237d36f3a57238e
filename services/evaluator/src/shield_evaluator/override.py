"""The operator's override as the evaluator knows it: what is in force, and until when.

How long it still lives comes from the store's expiry and is counted on our own clock; the moment
that stands in the document is for people. A store that lost its data gets the override back, as it
gets the latches back: an operator's denial must not end with a FLUSHALL.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.decision import DecisionError, Override, decode_override
from shield_common.lifecycle import backoff
from shield_common.store.protocol import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shield_common.store.protocol import OverrideStore

# The subscription only makes a change count at once; every cycle reads the override as well. One
# that is silent for so long may be half open and is made anew.
SILENCE_SECONDS: Final = 30.0


class OverrideInForce:
    """The override that the next decision has to obey.

    ``emptied`` says whether the store has lost what never expires; it may raise StoreError.

    Attributes:
        value: it; None when there is none.
        ends_ms: when it ends, on the clock of `core.latch.Instant.ms`; None when there is none.
    """

    def __init__(self, store: OverrideStore, *, emptied: Callable[[], Awaitable[bool]]) -> None:
        self._store = store
        self._emptied = emptied
        self._log = logs.get(__name__)
        self._document: bytes | None = None
        self._unreadable: bytes | None = None
        self.value: Override | None = None
        self.ends_ms: int | None = None

    def expire(self, now_ms: int) -> None:
        """Forget it when its time is over."""
        if self.ends_ms is not None and self.ends_ms <= now_ms:
            self._set(None, None, None)

    async def refresh(self, now_ms: int, *, unlimited_ms: int) -> bool:
        """Read it from the store; while that is silent the known one counts until its end.

        Args:
            now_ms: the present instant.
            unlimited_ms: how long to believe in one without an expiry, which someone wrote by
                hand; it is read again every cycle.

        Returns:
            Whether it is sure what is in force. If not, an emptied store may still be owed the
            override: nothing must be written that would make it look whole.
        """
        self.expire(now_ms)
        try:
            stored = await self._store.read_override()
            if stored is None and await self._restored(now_ms):
                return True
        except StoreError:
            return self._document is None
        if stored is None:
            self._set(None, None, None)
            return True
        try:
            override = decode_override(stored.document)
        except DecisionError as error:
            if stored.document != self._unreadable:
                self._log.error("override ignored, it is unreadable", problem=str(error))
            self._unreadable = stored.document
            self._set(None, None, None)
            return True
        remaining = unlimited_ms if stored.remaining_ms is None else stored.remaining_ms
        self._set(override, now_ms + remaining, stored.document)
        return True

    async def _restored(self, now_ms: int) -> bool:
        """Give an emptied store the override back; say whether there was one to give."""
        if self._document is None or self.ends_ms is None or not await self._emptied():
            return False
        await self._store.put_override(self._document, self.ends_ms - now_ms)
        self._log.warning("the store was emptied, override restored", **_told(self.value))
        return True

    def _set(self, override: Override | None, ends_ms: int | None, document: bytes | None) -> None:
        if override != self.value:
            self._log.info(
                "override ended" if override is None else "override in force",
                **_told(override or self.value),
            )
        self.value, self.ends_ms, self._document = override, ends_ms, document


def _told(override: Override | None) -> dict[str, object]:
    if override is None:
        return {}
    return {
        "allow": override.allow,
        "tiers": override.tiers or "all",
        "reason": override.reason,
        "by": override.by,
        "until": override.until.isoformat(),
    }


async def follow(store: OverrideStore, on_change: Callable[[], None]) -> None:
    """Call back at every announcement, and after every (re)subscription; runs until cancelled."""
    failures = 0
    while True:
        try:
            async with store.subscribe_overrides() as subscription:
                failures = 0
                on_change()
                while await subscription.next(SILENCE_SECONDS) is not None:
                    on_change()
        except StoreError:
            failures += 1
            await asyncio.sleep(backoff(failures, secrets.randbelow(1000) / 1000))
