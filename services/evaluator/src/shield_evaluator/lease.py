"""Being the single writer: the lease, the epoch, and the publication of decisions.

Holding the lease is never assumed: every publication renews it in the same step that writes, and
is refused by the store when another evaluator has taken over meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shield_common import logs
from shield_common.store.protocol import Publication, PublishResult, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.store.protocol import DecisionWriter


class EvictionPolicyError(Exception):
    """The store may throw keys away; the evaluator must not run on it: exit code 1."""


class Writer:
    """One evaluator's claim to be the writer.

    Attributes:
        holder: this process's identity.
        lease_ms: how long each claim and publication holds the lease, milliseconds.
        held: whether the last exchange with the store said that we hold the lease.
        epoch: the highest fencing number seen; ours while `held`.
        sequence: how many decisions we have published in this epoch.
        problem: what the store last failed with; None while it answers.
    """

    def __init__(
        self,
        store: DecisionWriter,
        *,
        holder: str,
        lease_ms: int,
        allow_eviction: bool,
        now_ms: Callable[[], int],
    ) -> None:
        self._store = store
        self._now_ms = now_ms
        self.lease_ms = lease_ms
        self._policy_known = allow_eviction
        self._log = logs.get(__name__).bind(holder=holder)
        self.holder = holder
        self.held = False
        self.epoch = 0
        self.sequence = 0
        self.problem: str | None = "not connected yet"
        self._own_epoch: int | None = None
        self._loss_seen_ms: int | None = None

    async def claim(self) -> bool:
        """Try to take the lease; say whether it is ours now.

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
                after_loss=self._may_follow_a_loss(),
            )
        except StoreError as error:
            self._failed(error)
            raise
        self._answered()
        self.held = claim.held
        self.epoch = max(self.epoch, claim.epoch)
        if claim.taken:
            self.sequence = 0
            self._log.info("lease taken", epoch=claim.epoch)
        if claim.held:
            self._own_epoch = self.epoch
            self._loss_seen_ms = None
        else:
            self._note_loss(lost=claim.epoch == 0)
        return self.held

    async def read_latches(self) -> bytes | None:
        """Read what was published last, by whomever.

        Raises:
            StoreError: the store did not answer; the lease counts as not held, so that the next
                cycle asks again before it publishes.
        """
        try:
            return await self._store.read_latches()
        except StoreError as error:
            self.held = False
            self._failed(error)
            raise

    async def publish(
        self, document: bytes, *, ttl_ms: int, allow: bool, latches: bytes
    ) -> PublishResult | None:
        """Publish one decision.

        Args:
            document: the decision document, numbered with `epoch` and `next_sequence`.
            ttl_ms: how long it lives, milliseconds.
            allow: the default tier's bit.
            latches: the latches document.

        Returns:
            What the store said; None when it did not answer.
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
        # Counted even if the answer gets lost: the number must not be used for another document.
        self.sequence += 1
        try:
            result = await self._store.publish(publication)
        except StoreError as error:
            self._failed(error)
            return None
        self._answered()
        if result is not PublishResult.PUBLISHED:
            self.held = False
            self._log.warning("another evaluator is the writer now", result=result.value)
        return result

    @property
    def next_sequence(self) -> int:
        """The number that the next publication's document has to carry."""
        return self.sequence + 1

    async def release(self) -> None:
        """Give the lease back, so that a standby need not wait for its end; never raises."""
        if not self.held:
            return
        self.held = False
        try:
            await self._store.release_lease(self.holder)
        except StoreError as error:
            self._log.warning("lease not released, it ends by itself", problem=str(error))
        else:
            self._log.info("lease released")

    def _may_follow_a_loss(self) -> bool:
        """Say whether to take the lease of a store that lost its data.

        The writer knows the latches better than any standby and writes them again within one cycle,
        if it lives: it gets as long as its lease would have lasted. The last writer itself, and an
        evaluator that has never seen one, have nobody to wait for.
        """
        if self.epoch in {0, self._own_epoch}:
            return True
        lost = self._loss_seen_ms
        return lost is not None and self._now_ms() - lost >= self.lease_ms

    def _note_loss(self, *, lost: bool) -> None:
        if not lost:
            self._loss_seen_ms = None
        elif self._loss_seen_ms is None:
            self._loss_seen_ms = self._now_ms()
            self._log.warning("the store lost its data, waiting for the writer to write it again")

    async def _check_policy(self) -> None:
        if self._policy_known:
            return
        policy = await self._store.eviction_policy()
        if policy is None:
            self._log.warning("the store does not tell its maxmemory-policy; it must be noeviction")
        elif policy != "noeviction":
            raise EvictionPolicyError(
                f"Redis' maxmemory-policy is {policy}: it could evict the latches and the decision."
                " Set it to noeviction, or set redis.allow_eviction to start all the same."
            )
        self._policy_known = True

    def _failed(self, error: StoreError) -> None:
        if self.problem is None:
            self._log.warning("the store does not answer", problem=str(error), kind=error.kind)
        self.problem = str(error)

    def _answered(self) -> None:
        if self.problem is not None:
            self._log.info("the store answers")
        self.problem = None
