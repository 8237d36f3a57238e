"""The operator's override: whether one is in force, and until when.

Its remaining time is the store's expiry, counted down on our own monotonic clock; the end in the
document is for display. A store that lost its data gets the override back, as it gets the latches
back: a FLUSHALL must not end an operator's denial.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING, Final, Protocol

from shield_common import logs
from shield_common.decision import DocumentError, Override, decode_override
from shield_common.lifecycle import backoff
from shield_common.store.protocol import OverrideStore, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

# The subscription only makes a change effective at once; every cycle reads the override as well.
# A subscription that is silent for this long may be half open and is replaced.
SILENCE_SECONDS: Final = 30.0


class OverrideAndLatches(OverrideStore, Protocol):
    """The override, and the latches, whose absence shows that the store lost its data."""

    async def read_latches(self) -> bytes | None:
        """See `shield_common.store.protocol.DecisionWriter.read_latches`."""
        ...


class OverrideInForce:
    """The override that the next decision has to apply.

    Attributes:
        value: the override; None without one.
        ends_ms: when it ends, on the clock of `core.state.Instant.ms`; None without one.
    """

    def __init__(self, store: OverrideAndLatches) -> None:
        self._store = store
        self._log = logs.get(__name__)
        self._document: bytes | None = None
        self._undecodable: bytes | None = None
        self.value: Override | None = None
        self.ends_ms: int | None = None

    def expire(self, now_ms: int) -> None:
        """Drop the override if its time is over."""
        if self.ends_ms is not None and self.ends_ms <= now_ms:
            self._set(None, None, None)

    async def refresh(self, now_ms: int, *, unlimited_ms: int) -> bool:
        """Read the override from the store; without an answer the known one lasts until its end.

        Args:
            now_ms: the present instant.
            unlimited_ms: lifetime of an override without an expiry, which can only have been
                written by hand; every cycle reads it again.

        Returns:
            Whether the override in force is certain. If it is not, the store may have lost its
            data and still need the override back, so nothing may be published: latches in the
            store would hide the loss.
        """
        self.expire(now_ms)
        try:
            stored = await self._store.read_override()
            if stored is None and await self._restore(now_ms):
                return True
        except StoreError:
            return self._document is None
        if stored is None:
            self._set(None, None, None)
            return True
        try:
            override = decode_override(stored.document)
        except DocumentError as error:
            if stored.document != self._undecodable:
                self._log.error("override ignored, it cannot be decoded", problem=str(error))
            self._undecodable = stored.document
            self._set(None, None, None)
            return True
        remaining = unlimited_ms if stored.remaining_ms is None else stored.remaining_ms
        self._set(override, now_ms + remaining, stored.document)
        return True

    async def _restore(self, now_ms: int) -> bool:
        """Write the override back to a store that lost its data; return whether it was written."""
        if self._document is None or self.ends_ms is None:
            return False
        if await self._store.read_latches() is not None:
            return False
        await self._store.put_override(self._document, self.ends_ms - now_ms)
        self._log.warning("the store lost its data, override restored", **_log_fields(self.value))
        return True

    def _set(self, override: Override | None, ends_ms: int | None, document: bytes | None) -> None:
        if override != self.value:
            self._log.info(
                "override ended" if override is None else "override in force",
                **_log_fields(override or self.value),
            )
        self.value, self.ends_ms, self._document = override, ends_ms, document


def _log_fields(override: Override | None) -> dict[str, object]:
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
    """Call back at every announcement and after every (re)subscription; runs until cancelled."""
    failures = 0
    while True:
        try:
            async with store.subscribe_overrides() as subscription:
                on_change()
                while await subscription.next(SILENCE_SECONDS) is not None:
                    failures = 0
                    on_change()
                failures = 0
        except StoreError:
            failures += 1
            await asyncio.sleep(backoff(failures, secrets.randbelow(1000) / 1000))
