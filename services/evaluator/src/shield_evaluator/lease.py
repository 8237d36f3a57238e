"""The single writer: lease, epoch, and the publication of decisions.

The lease is never assumed to be held: every publication renews it in the same atomic step that
writes, and the store refuses it when another evaluator has taken over meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from shield_common import logs
from shield_common.store.outage import OutageLog
from shield_common.store.protocol import (
    DecisionReader,
    DecisionWriter,
    Publication,
    PublishResult,
    StatusReader,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from shield_evaluator.core.state import Instant

T = TypeVar("T")

POLICY_TRIES: Final = 3  # before the eviction policy counts as unreadable; a cycle apart


class WriterStore(DecisionReader, DecisionWriter, StatusReader, Protocol):
    """Lease, latches, decisions, and how many subscribe to them."""


class EvictionPolicyError(Exception):
    """The store may evict keys; `app.Evaluator` logs it and exits with code 1."""


class Writer:
    """One evaluator's lease, and what it publishes under it.

    Attributes:
        holder: this process's identity.
        lease_ms: duration of the lease from each claim and publication on, milliseconds.
        lease_held: whether we held the lease at the last exchange with the store.
        epoch: the highest known fencing number; ours while `lease_held`.
        sequence: number of decisions that we have published in this epoch.
        problem: the store's last error; None while it answers.
        admitters: how many subscribers the last publication reached; before the first one, how many
            the store counted; None if it did not say.
    """

    def __init__(
        self,
        store: WriterStore,
        *,
        holder: str,
        lease_ms: int,
        allow_eviction: bool,
        now: Callable[[], Instant],
        outage: OutageLog | None = None,
    ) -> None:
        self._store = store
        self._now = now
        self.lease_ms = lease_ms
        self._policy_known = allow_eviction
        self._log = logs.get(__name__).bind(holder=holder)
        self.holder = holder
        self.lease_held = False
        self.epoch = 0
        self.sequence = 0
        self.problem: str | None = "not connected yet"
        self._outage = OutageLog() if outage is None else outage
        self._unread_policies = 0
        self.admitters: int | None = None
        self._own_epoch: int | None = None
        self._loss_seen_ms: int | None = None

    async def claim(self) -> bool:
        """Try to take the lease; return whether we hold it now.

        Raises:
            StoreError: the store did not answer.
            EvictionPolicyError: the store evicts.
        """
        try:
            await self._check_policy()
            claim = await self._store.claim_lease(
                self.holder,
                self.lease_ms,
                above=self.epoch,
                after_loss=self._may_claim_after_loss(),
            )
        except StoreError as error:
            self._failed(error)
            raise
        self._answered()
        self.lease_held = claim.lease_held
        self.epoch = max(self.epoch, claim.epoch)
        if claim.taken:
            self.sequence = 0
            self.admitters = await self._count_admitters()
            self._log.info("lease taken", epoch=claim.epoch)
        if claim.lease_held:
            self._own_epoch = self.epoch
            self._loss_seen_ms = None
        else:
            self._note_loss(lost=claim.epoch == 0)
        return self.lease_held

    async def read_latches(self) -> bytes | None:
        """Read the latches document of the last publication.

        Raises:
            StoreError: the store did not answer; the lease then counts as not held, so that the
                next cycle reads again before it publishes.
        """
        return await self._read(self._store.read_latches())

    async def read_decision(self) -> bytes | None:
        """Read the decision document of the last publication; None once it has expired.

        Raises:
            StoreError: as for `read_latches`.
        """
        stored = await self._read(self._store.read_decision())
        return None if stored is None else stored.document

    async def _read(self, reading: Awaitable[T]) -> T:
        try:
            return await reading
        except StoreError as error:
            self.lease_held = False
            self._failed(error)
            raise

    async def publish(
        self, document: bytes, *, ttl_ms: int, allow: bool, latches: bytes
    ) -> PublishResult | None:
        """Publish one decision.

        Args:
            document: the decision document, numbered with `epoch` and `next_sequence`.
            ttl_ms: its lifetime, milliseconds.
            allow: the default tier's bit.
            latches: the latches document.

        Returns:
            The store's answer; None if there was none.
        """
        publication = Publication(
            holder=self.holder,
            epoch=self.epoch,
            lease_ms=self.lease_ms,
            document=document,
            ttl_ms=ttl_ms,
            allow=allow,
            latches=latches,
        )
        # Counted even if the answer gets lost: no other document may have this number.
        self.sequence += 1
        try:
            answer = await self._store.publish(publication)
        except StoreError as error:
            self._failed(error)
            return None
        self._answered()
        if answer.result is PublishResult.PUBLISHED:
            self.admitters = answer.receivers
        else:
            self.lease_held = False
            self._log.warning("another evaluator is the writer now", result=answer.result.value)
        return answer.result

    @property
    def next_sequence(self) -> int:
        """The sequence number for the next document."""
        return self.sequence + 1

    async def release(self) -> None:
        """Release the lease, so that a standby need not wait for its end; never raises."""
        if not self.lease_held:
            return
        self.lease_held = False
        try:
            await self._store.release_lease(self.holder)
        except StoreError as error:
            self._log.warning("lease not released, it will expire", problem=str(error))
        else:
            self._log.info("lease released")

    async def _count_admitters(self) -> int | None:
        try:
            return await self._store.count_subscribers()
        except StoreError as error:
            # It may be forbidden; the first publication tells as well.
            self._log.debug("subscribers cannot be counted", problem=str(error))
            return None

    def _may_claim_after_loss(self) -> bool:
        """Return whether to take the lease of a store that lost its data.

        The writer's latches are more current than any standby's, and a running writer stores them
        again within one cycle. So a standby waits for as long as the writer's lease would have
        lasted. The last writer itself, and an evaluator that knows of no other, do not wait.
        """
        if self.epoch in {0, self._own_epoch}:
            return True
        lost = self._loss_seen_ms
        return lost is not None and self._now().ms - lost >= self.lease_ms

    def _note_loss(self, *, lost: bool) -> None:
        if not lost:
            self._loss_seen_ms = None
        elif self._loss_seen_ms is None:
            self._loss_seen_ms = self._now().ms
            self._log.warning("the store lost its data, waiting for the writer to restore it")

    async def _check_policy(self) -> None:
        if self._policy_known:
            return
        policy = await self._read_policy()
        if policy is None:
            self._log.warning("the store's maxmemory-policy cannot be read; it must be noeviction")
        elif policy != "noeviction":
            raise EvictionPolicyError(
                f"Redis' maxmemory-policy is {policy}: it could evict the latches and the decision."
                " Set it to noeviction, or set redis.allow_eviction to start anyway."
            )
        self._policy_known = True

    async def _read_policy(self) -> str | None:
        """Return the eviction policy; None if the store never answers this one question.

        A proxy may end the connection instead of refusing INFO, which looks like a store that is
        away. So after some tries the store is asked something else, which raises if it is away.
        """
        try:
            return await self._store.eviction_policy()
        except StoreError:
            self._unread_policies += 1
            if self._unread_policies < POLICY_TRIES:
                raise
        await self._store.read_latches()
        try:
            return await self._store.eviction_policy()
        except StoreError:
            return None

    def _failed(self, error: StoreError) -> None:
        self._outage.failed("writer", error)
        self.problem = str(error)

    def _answered(self) -> None:
        self._outage.answered("writer")
        self.problem = None
