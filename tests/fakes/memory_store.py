"""A store in memory, which passes the same contract suite as the store on Redis.

All clients of one `MemoryBackend` see the same data, as all clients of one Redis do.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shield_common.store.keys import Keys, tier_of_held_field
from shield_common.store.protocol import (
    AdmittedTotals,
    Claim,
    Publication,
    PublishAnswer,
    PublishResult,
    StoredDocument,
    StoreError,
    UnclearError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping


@dataclass(slots=True)
class MemoryBackend:
    """The data and subscriptions of a Redis server.

    Attributes:
        now_ms: the server's clock, Unix milliseconds.
        available: False makes every operation raise StoreError, as an unreachable server does.
        admitted: the totals that admitters added up, by key and tier.
        lost_answers: True makes `MemoryStore.add_admitted` add and then raise UnclearError.
    """

    now_ms: Callable[[], int]
    available: bool = True
    eviction_policy: str = "noeviction"
    admitted: defaultdict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    lost_answers: bool = False
    _values: dict[str, tuple[bytes, int | None]] = field(default_factory=dict)
    # None in a feed breaks it.
    _feeds: defaultdict[str, set[asyncio.Queue[bytes | None]]] = field(
        default_factory=lambda: defaultdict(set)
    )

    def get(self, key: str) -> bytes | None:
        """Return a value that has not expired."""
        value, expires = self._values.get(key, (None, None))
        if value is not None and expires is not None and expires <= self.now_ms():
            del self._values[key]
            return None
        return value

    def remaining_ms(self, key: str) -> int | None:
        """Return the time until a value expires; None without expiry."""
        _, expires = self._values[key]
        return None if expires is None else expires - self.now_ms()

    def put(self, key: str, value: bytes, ttl_ms: int | None = None) -> None:
        """Write a value."""
        self._values[key] = (value, None if ttl_ms is None else self.now_ms() + ttl_ms)

    def delete(self, key: str) -> bool:
        """Remove a value; return whether it existed."""
        existed = self.get(key) is not None or key in self.admitted
        self._values.pop(key, None)
        self.admitted.pop(key, None)
        return existed

    def flush(self) -> None:
        """Lose all values, as FLUSHALL does."""
        self._values.clear()
        self.admitted.clear()

    def publish(self, channel: str, message: bytes) -> int:
        """Hand a message to all subscriptions of a channel; return their number."""
        for feed in self._feeds[channel]:
            feed.put_nowait(message)
        return len(self._feeds[channel])

    def feeds(self, channel: str) -> set[asyncio.Queue[bytes | None]]:
        """Return the live subscriptions of a channel."""
        return self._feeds[channel]

    def break_subscriptions(self) -> None:
        """End every subscription, as a restarted server does."""
        for feeds in self._feeds.values():
            for feed in feeds:
                feed.put_nowait(None)
            feeds.clear()


@dataclass(slots=True)
class _MemorySubscription:
    backend: MemoryBackend
    feed: asyncio.Queue[bytes | None]
    skip_empty: bool

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        _check(self.backend)
        try:
            async with asyncio.timeout(timeout):
                document = await self.feed.get()
                while document == b"" and self.skip_empty:
                    document = await self.feed.get()
        except TimeoutError:
            _check(self.backend)
            return None
        if document is None:
            raise StoreError("connection", "the subscription was broken")
        return document


class MemoryStore:
    """A client of a `MemoryBackend`; fulfils ``store.protocol.Store``."""

    def __init__(self, backend: MemoryBackend, *, cluster: str) -> None:
        self._backend = backend
        self._keys = Keys(cluster)

    async def read_decision(self) -> StoredDocument | None:
        """See `DecisionReader`."""
        return self._stored(self._keys.decision)

    @asynccontextmanager
    async def subscribe_decisions(self) -> AsyncIterator[_MemorySubscription]:
        """See `DecisionReader`."""
        async with self._subscribe(self._keys.decision, skip_empty=True) as subscription:
            yield subscription

    async def claim_lease(
        self, holder: str, lease_ms: int, *, above: int = 0, after_loss: bool = True
    ) -> Claim:
        """See `DecisionWriter`."""
        epoch = self._epoch()
        held_by = self._server.get(self._keys.lease)
        theirs = held_by is not None and held_by != holder.encode()
        if theirs or (epoch == 0 and not after_loss):
            return Claim(lease_held=False, epoch=epoch, taken=False, previous_epoch=epoch)
        taken = held_by is None or epoch == 0
        current = epoch
        if taken:
            current = max(epoch + 1, self._server.now_ms() // 1000, above + 1)
        self._server.put(self._keys.epoch, str(current).encode())
        self._server.put(self._keys.lease, holder.encode(), lease_ms)
        return Claim(lease_held=True, epoch=current, taken=taken, previous_epoch=epoch)

    async def publish(self, publication: Publication) -> PublishAnswer:
        """See `DecisionWriter`."""
        if self._epoch() > publication.epoch:
            return PublishAnswer(PublishResult.FENCED)
        theirs = self._server.get(self._keys.lease) not in {None, publication.holder.encode()}
        if theirs and self._epoch() == publication.epoch:
            return PublishAnswer(PublishResult.LEASE_LOST)
        server, keys = self._server, self._keys
        server.put(keys.lease, publication.holder.encode(), publication.lease_ms)
        server.put(keys.epoch, str(publication.epoch).encode())
        server.put(keys.decision, publication.document, publication.ttl_ms)
        server.put(keys.allow, b"1" if publication.allow else b"0", publication.ttl_ms)
        server.put(keys.latches, publication.latches)
        receivers = server.publish(keys.decision, publication.document)
        return PublishAnswer(PublishResult.PUBLISHED, receivers=receivers)

    async def release_lease(self, holder: str) -> bool:
        """See `DecisionWriter`."""
        if self._server.get(self._keys.lease) != holder.encode():
            return False
        return self._server.delete(self._keys.lease)

    async def read_latches(self) -> bytes | None:
        """See `DecisionWriter`."""
        return self._server.get(self._keys.latches)

    async def eviction_policy(self) -> str | None:
        """See `DecisionWriter`."""
        return self._server.eviction_policy

    async def read_override(self) -> StoredDocument | None:
        """See `OverrideStore`."""
        return self._stored(self._keys.override)

    async def put_override(self, document: bytes, ttl_ms: int) -> None:
        """See `OverrideStore`."""
        self._server.put(self._keys.override, document, ttl_ms)
        self._server.publish(self._keys.override, document)

    async def clear_override(self) -> bool:
        """See `OverrideStore`."""
        cleared = self._server.delete(self._keys.override)
        self._server.publish(self._keys.override, b"")
        return cleared

    @asynccontextmanager
    async def subscribe_overrides(self) -> AsyncIterator[_MemorySubscription]:
        """See `OverrideStore`."""
        async with self._subscribe(self._keys.override) as subscription:
            yield subscription

    async def add_admitted(self, counts: Mapping[str, int]) -> None:
        """See `AdmittedCounter`."""
        totals = self._server.admitted[self._keys.admitted]
        for name, count in counts.items():
            totals[name] = totals.get(name, 0) + count
        if self._server.lost_answers:
            raise UnclearError("timeout", "the memory store was told to lose its answers")

    async def read_admitted(self) -> AdmittedTotals:
        """See `AdmittedCounter`."""
        counts = self._server.admitted[self._keys.admitted]
        held = {tier_of_held_field(field): count for field, count in counts.items()}
        return AdmittedTotals(
            {field: count for field, count in counts.items() if tier_of_held_field(field) is None},
            held={tier: count for tier, count in held.items() if tier is not None},
        )

    async def remove_admitted(self, fields: Collection[str]) -> None:
        """See `AdmittedCounter`."""
        for name in fields:
            self._server.admitted[self._keys.admitted].pop(name, None)

    async def read_held_report(self) -> StoredDocument | None:
        """See `HeldReportReader`."""
        return self._stored(self._keys.held)

    async def read_held_counts(self, tiers: Collection[str]) -> Mapping[str, int]:
        """See `HeldReportWriter`."""
        held = (await self.read_admitted()).held
        return {tier: count for tier, count in held.items() if tier in tiers}

    async def write_held_report(self, document: bytes, ttl_ms: int) -> None:
        """See `HeldReportWriter`."""
        self._server.put(self._keys.held, document, ttl_ms)

    async def lease_holder(self) -> str | None:
        """See `StatusReader`."""
        holder = self._server.get(self._keys.lease)
        return None if holder is None else holder.decode()

    async def count_subscribers(self) -> int:
        """See `StatusReader`."""
        return len(self._server.feeds(self._keys.decision))

    async def close(self) -> None:
        """See `Store`."""

    @property
    def _server(self) -> MemoryBackend:
        _check(self._backend)
        return self._backend

    def _stored(self, key: str) -> StoredDocument | None:
        document = self._server.get(key)
        return (
            None if document is None else StoredDocument(document, self._server.remaining_ms(key))
        )

    def _epoch(self) -> int:
        stored = self._server.get(self._keys.epoch) or b""
        # As the script reads it: anything but a number of up to 15 digits counts as missing.
        return int(stored) if stored.isdigit() and len(stored) <= 15 else 0

    @asynccontextmanager
    async def _subscribe(
        self, channel: str, *, skip_empty: bool = False
    ) -> AsyncIterator[_MemorySubscription]:
        feed: asyncio.Queue[bytes | None] = asyncio.Queue()
        feeds = self._server.feeds(channel)
        feeds.add(feed)
        try:
            yield _MemorySubscription(self._backend, feed, skip_empty)
        finally:
            feeds.discard(feed)


def _check(backend: MemoryBackend) -> None:
    if not backend.available:
        raise StoreError("connection", "the memory store was made unavailable")
