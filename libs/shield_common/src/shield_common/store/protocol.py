"""The store's verbs and errors, as its callers see them.

Documents go in and out as bytes: the wire forms belong to ``shield_common.decision`` and to the
evaluator, and garbage in the store has to reach whoever counts it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager


class StoreError(Exception):
    """The store did not do what was asked; the caller's loop counts it and goes on.

    Attributes:
        kind: a short class for a metric label: ``timeout``, ``connection``, ``authentication``,
            ``read_only``, ``loading``, ``out_of_memory``, ``too_many_clients``, ``permission``
            or ``other``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A key's content.

    Attributes:
        document: the bytes that were written.
        remaining_ms: until the key expires, milliseconds; None if it never does.
    """

    document: bytes
    remaining_ms: int | None


@dataclass(frozen=True, slots=True)
class Claim:
    """The answer to a claim of the lease.

    Attributes:
        held: the claimant holds the lease now.
        epoch: the fencing number in force: the claimant's own if held, else the holder's.
        taken: the lease was taken by this very claim, so the epoch is new.
        previous_epoch: the fencing number before this claim; 0 if there was none.
    """

    held: bool
    epoch: int
    taken: bool
    previous_epoch: int


@dataclass(frozen=True, slots=True)
class Publication:
    """All that one publish writes, in one step or not at all.

    Attributes:
        holder: who claims to hold the lease.
        epoch: the fencing number under which the holder writes.
        lease_ms: how long the lease is renewed for, milliseconds.
        document: the decision document.
        ttl_ms: how long document and bit live, milliseconds.
        allow: the default tier's bit.
        latches: the latches document; it has no expiry.
    """

    holder: str
    epoch: int
    lease_ms: int
    document: bytes
    ttl_ms: int
    allow: bool
    latches: bytes


class PublishResult(enum.Enum):
    """What became of a publication."""

    PUBLISHED = "published"
    FENCED = "fenced"  # a higher epoch has been handed out
    LEASE_LOST = "lease_lost"  # somebody else holds the lease


class Subscription(Protocol):
    """A live feed of documents from one channel."""

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        """Wait for the next document.

        Args:
            timeout: seconds to wait.

        Returns:
            The document, or None when the channel stayed silent that long.

        Raises:
            StoreError: the feed is broken; subscribe again.
        """
        ...


class DecisionReader(Protocol):
    """What an admitter needs."""

    async def read_decision(self) -> StoredDocument | None:
        """Read the decision key.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    def subscribe_decisions(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to decisions as they are published; entering raises StoreError."""
        ...


class DecisionWriter(Protocol):
    """What the evaluator needs to be the single writer."""

    async def claim_lease(
        self, holder: str, lease_ms: int, *, above: int = 0, after_loss: bool = True
    ) -> Claim:
        """Take the lease if it is free, renew it if it is ours.

        Taking it increments the epoch. An epoch counter that is missing or unreadable starts at
        the store's own clock (Unix seconds): a store that lost its data never hands out an epoch
        that readers have already passed.

        Args:
            holder: the claimant's identity, unique per process.
            lease_ms: how long the lease lasts from now, milliseconds.
            above: the highest epoch that the claimant has seen; a new one is higher.
            after_loss: whether to take the lease although the epoch counter is gone. Then the
                store has lost its data, and the writer, who remembers the latches, will write them
                again within its interval unless it is gone too.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    async def publish(self, publication: Publication) -> PublishResult:
        """Write decision, bit and latches and announce the decision, atomically.

        Raises:
            StoreError: nothing was written, or the answer got lost.
        """
        ...

    async def release_lease(self, holder: str) -> bool:
        """Give the lease back if it is ours; say whether it was."""
        ...

    async def read_latches(self) -> bytes | None:
        """Read the latches document of whoever wrote last."""
        ...

    async def eviction_policy(self) -> str | None:
        """Return the store's ``maxmemory-policy``; None if it may not be read."""
        ...


class OverrideStore(Protocol):
    """An operator's override: one at a time, gone when it ends."""

    async def read_override(self) -> StoredDocument | None:
        """Read the override document that is in force, and for how long it still is."""
        ...

    async def put_override(self, document: bytes, ttl_ms: int) -> None:
        """Set the override for so many milliseconds and announce it."""
        ...

    async def clear_override(self) -> bool:
        """Remove the override and announce it; say whether there was one."""
        ...

    def subscribe_overrides(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to announcements; a document of no bytes says that it was cleared."""
        ...


class StatusReader(Protocol):
    """What an operator's status command asks beyond the decision."""

    async def lease_holder(self) -> str | None:
        """Return who holds the lease."""
        ...

    async def count_subscribers(self) -> int:
        """Return how many connections are subscribed to decisions."""
        ...


class Store(DecisionReader, DecisionWriter, OverrideStore, StatusReader, Protocol):
    """Everything a store can do; callers ask for the narrower protocol that they need."""

    async def close(self) -> None:
        """Drop all connections; idempotent."""
        ...
