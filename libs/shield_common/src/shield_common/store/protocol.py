"""The store's operations and errors, as its callers see them.

Documents go in and out as bytes: the wire forms belong to ``shield_common.decision`` and to the
evaluator, and the reader that counts bad documents has to receive them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from contextlib import AbstractAsyncContextManager


# 2**53: beyond it a JSON reader, and a double in Lua, no longer counts exactly (RFC 8259, 6).
MAX_COUNT: Final = 2**53
# A hundred times the tiers that settings allow: more fields are an attack, or a mistake.
MAX_COUNT_FIELDS: Final = 5_000


class StoreError(Exception):
    """The store did not carry out an operation; the caller's loop counts it and goes on.

    Attributes:
        kind: a short class for a metric label: ``timeout``, ``connection``, ``authentication``,
            ``read_only``, ``loading``, ``out_of_memory``, ``too_many_clients``, ``permission`` (a
            command, key or channel that the user may not use, or a command that the server does
            not know, as after a rename), ``malformed`` (an answer of another form than Redis') or
            ``other``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class UnclearError(StoreError):
    """A write may have happened, wholly or in part; repeating it could apply it twice.

    Raised only by operations that are not idempotent: `AdmittedCounter.add_admitted`.
    """


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """The content of a key.

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
        lease_held: the claimant holds the lease now.
        epoch: the fencing number in force: the claimant's own if it holds the lease, else the
            holder's.
        taken: this claim took the lease, so the epoch is new.
        previous_epoch: the fencing number before this claim; 0 if there was none.
    """

    lease_held: bool
    epoch: int
    taken: bool
    previous_epoch: int


@dataclass(frozen=True, slots=True)
class Publication:
    """Everything that one publish writes, in one step or not at all.

    Attributes:
        holder: identity of the publisher, which claims to hold the lease.
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
    """How the store decided on a publication."""

    PUBLISHED = "published"
    FENCED = "fenced"  # a higher epoch has been handed out
    LEASE_LOST = "lease_lost"  # another evaluator holds the lease


@dataclass(frozen=True, slots=True)
class PublishAnswer:
    """The answer to a publication.

    Attributes:
        result: whether it was published.
        receivers: subscriptions that the announcement was handed to, 0 unless published: PUBLISH's
            reply, which counts the clients of this Redis server alone. In a Redis Cluster, where
            clients may subscribe at any node, it is a lower bound of the number of admitters.
    """

    result: PublishResult
    receivers: int = 0


@dataclass(frozen=True, slots=True)
class AdmittedTotals:
    """How many runs the admitters have admitted since the counters began, by tier.

    Attributes:
        totals: tier -> count, 0 to `MAX_COUNT`. A tier is missing if it has no count yet or if its
            count cannot be used; the reader then has no news of it, which is not the same as 0.
        problems: one sentence for each thing that cannot be used; empty if all is well.
        held: tier -> runs that admitters have held instead of denying them, likewise.
    """

    totals: Mapping[str, int]
    problems: tuple[str, ...] = ()
    held: Mapping[str, int] = field(default_factory=dict)


class Subscription(Protocol):
    """A live feed of documents from one channel."""

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        """Wait for the next document.

        Args:
            timeout: seconds to wait.

        Returns:
            The document, or None after that long without one.

        Raises:
            StoreError: the feed is broken; subscribe again.
        """
        ...


class DecisionReader(Protocol):
    """Operations that an admitter needs to follow decisions."""

    async def read_decision(self) -> StoredDocument | None:
        """Read the decision key.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    def subscribe_decisions(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to decisions as they are published; entering raises StoreError.

        An empty announcement, which `shield_common.store.check` makes, is skipped.
        """
        ...


class DecisionWriter(Protocol):
    """Operations that the evaluator needs to be the single writer."""

    async def claim_lease(
        self, holder: str, lease_ms: int, *, above: int = 0, after_loss: bool = True
    ) -> Claim:
        """Take the lease if it is free, renew it if it is ours.

        Taking it raises the epoch: above the counter, above ``above``, and to the store's own
        clock (Unix seconds) at least. So a store that lost its data, or was restored from an old
        snapshot, hands out no epoch below those that readers already hold.

        Args:
            holder: the claimant's identity, unique per process.
            lease_ms: how long the lease lasts from now, milliseconds.
            above: the highest epoch known to the claimant; a new one is higher.
            after_loss: whether to take the lease although the epoch counter is missing or
                unreadable. Then the store has lost its data, and the writer, which remembers the
                latches, writes them again within its interval unless it is gone too.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    async def publish(self, publication: Publication) -> PublishAnswer:
        """Write decision, bit and latches and announce the decision, atomically.

        If the store refuses any part, an announcement included, readers see nothing of the
        publication; at most the lease has been renewed.

        Raises:
            StoreError: nothing was published, or the answer got lost.
        """
        ...

    async def release_lease(self, holder: str) -> bool:
        """Release the lease if the holder has it; return whether it did."""
        ...

    async def read_latches(self) -> bytes | None:
        """Read the latches document that was published last."""
        ...

    async def eviction_policy(self) -> str | None:
        """Return the store's ``maxmemory-policy``; None if it cannot be read."""
        ...


class OverrideStore(Protocol):
    """An operator's override: at most one, removed by the store when it ends."""

    async def read_override(self) -> StoredDocument | None:
        """Read the override document in force and its remaining time."""
        ...

    async def put_override(self, document: bytes, ttl_ms: int) -> None:
        """Set the override for ``ttl_ms`` milliseconds and announce it."""
        ...

    async def clear_override(self) -> bool:
        """Remove the override and announce it; return whether one was set."""
        ...

    def subscribe_overrides(self) -> AbstractAsyncContextManager[Subscription]:
        """Subscribe to announcements; an empty document means that the override was cleared."""
        ...


class AdmittedCounter(Protocol):
    """Running totals of admitted runs: admitters add to them, the evaluator reads them."""

    async def add_admitted(self, counts: Mapping[str, int]) -> None:
        """Add the runs admitted since the last call to the totals of their tiers.

        Never applied twice: the increments are sent once, on a connection that has just answered.

        Args:
            counts: tier -> admitted runs, `store.keys.held_field` of a tier -> held runs; each is
                positive, and an empty mapping sends nothing.

        Raises:
            UnclearError: some or all counts may have been added, because the answer got lost or
                the store refused a part. The caller drops them: adding them again could count
                runs twice, and what was refused for its content would be refused again.
            StoreError: nothing was added; the caller keeps the counts and adds them later.
        """
        ...

    async def read_admitted(self) -> AdmittedTotals:
        """Read all totals. Content that is no count is skipped and reported, never raised.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    async def remove_admitted(self, fields: Collection[str]) -> None:
        """Remove totals, named as for `add_admitted`; admitters begin them again at 0.

        Raises:
            StoreError: the store did not answer.
        """
        ...


class HeldReportReader(Protocol):
    """The controller's report of held runs, as the evaluator and the status command read it."""

    async def read_held_report(self) -> StoredDocument | None:
        """Read the report; None if there is none or it has expired.

        Raises:
            StoreError: the store did not answer.
        """
        ...


class HeldReportWriter(Protocol):
    """The controller's report of held runs, as the controller writes it, and what it needs to."""

    async def read_held_counts(self, tiers: Collection[str]) -> Mapping[str, int]:
        """Read how many runs admitters have held, of these tiers alone.

        A tier is missing if it has no count yet or one that cannot be used. Unlike `read_admitted`
        it needs no script, which a user that may only read the key could not run.

        Raises:
            StoreError: the store did not answer.
        """
        ...

    async def write_held_report(self, document: bytes, ttl_ms: int) -> None:
        """Replace the report; it expires after ``ttl_ms`` milliseconds.

        Raises:
            StoreError: the store did not answer.
        """
        ...


class StatusReader(Protocol):
    """Operations of the status command beside the decision."""

    async def lease_holder(self) -> str | None:
        """Return the identity of the lease's holder; None if the lease is free."""
        ...

    async def count_subscribers(self) -> int:
        """Return how many connections are subscribed to decisions, on all servers of the store.

        Unlike `PublishAnswer.receivers` it counts every node of a Redis Cluster.
        """
        ...


class Store(
    DecisionReader,
    DecisionWriter,
    OverrideStore,
    AdmittedCounter,
    HeldReportReader,
    HeldReportWriter,
    StatusReader,
    Protocol,
):
    """All operations of a store; callers ask for the narrower protocol that they need."""

    async def close(self) -> None:
        """Drop all connections; idempotent."""
        ...
