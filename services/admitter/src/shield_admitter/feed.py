"""Keeping the held decision current: subscription, GET and watchdog.

Requests read `DecisionFeed.held` and wait for nothing. What an absent or old decision means is
not decided here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_admitter.core.freshness import Held, accept
from shield_common import logs
from shield_common.decision import DecisionError, decode_decision
from shield_common.lifecycle import backoff
from shield_common.store.protocol import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.freshness import FreshnessLimits
    from shield_common.store.protocol import DecisionReader

# Decisions are published every interval; three of them missing means a dead connection, or a
# dead evaluator, for which a new subscription does no harm.
SILENT_INTERVALS: Final = 3
DEFAULT_INTERVAL_MS: Final = 5_000  # until the first decision tells its own


class DecisionFeed:
    """Holds the last good decision and keeps it current.

    Attributes:
        held: the decision; None before the first.
        problem: what Redis last failed with; None while it answers.
    """

    def __init__(
        self,
        store: DecisionReader,
        *,
        cluster: str,
        limits: FreshnessLimits,
        refresh: float,
        now_ms: Callable[[], int],
        chance: Callable[[], float],
        on_document: Callable[[str, str], None] = lambda _source, _result: None,
    ) -> None:
        self._store = store
        self._cluster = cluster
        self._limits = limits
        self._refresh = refresh
        self._now_ms = now_ms
        self._chance = chance
        self._on_document = on_document
        self._log = logs.get(__name__)
        self._rejecting = False
        self.held: Held | None = None
        self.problem: str | None = "not connected yet"

    async def follow(self) -> None:
        """Subscribe, read, listen; from the start after every failure. Runs until cancelled."""
        failures = 0
        while True:
            try:
                async with self._store.subscribe_decisions() as subscription:
                    await self.read()
                    while (document := await subscription.next(self._patience())) is not None:
                        failures = 0
                        self._offer(document, source="subscription")
                self._log.warning("subscription silent, subscribing again")
            except StoreError as error:
                self._failed(error)
            failures += 1
            await asyncio.sleep(backoff(failures, self._chance()))

    async def refresh(self) -> None:
        """Read the decision every so often besides the subscription. Runs until cancelled."""
        while True:
            await asyncio.sleep(self._refresh * (0.5 + self._chance()))
            try:
                await self.read()
            except StoreError as error:
                self._failed(error)

    async def read(self) -> None:
        """Read the decision once.

        Raises:
            StoreError: the store did not answer.
        """
        stored = await self._store.read_decision()
        if self.problem is not None:
            self._log.info("the store answers")
        self.problem = None
        if stored is None:
            self._on_document("get", "absent")
            return
        # A key without expiry was not written by the evaluator; its age cannot be told.
        remaining = 0 if stored.remaining_ms is None else stored.remaining_ms
        self._offer(stored.document, source="get", remaining_ms=remaining)

    def _patience(self) -> float:
        interval = DEFAULT_INTERVAL_MS if self.held is None else self.held.decision.interval_ms
        return SILENT_INTERVALS * interval / 1000

    def _offer(self, document: bytes, *, source: str, remaining_ms: int | None = None) -> None:
        try:
            decision = decode_decision(document)
            if decision.cluster != self._cluster:
                problem = f"it is for cluster {decision.cluster}"
                raise DecisionError("cluster", problem)  # noqa: TRY301 - one place counts them all
        except DecisionError as error:
            self._rejected(source, error)
            return
        self._rejecting = False
        self.held, acceptance = accept(
            self.held, decision, self._limits, now_ms=self._now_ms(), remaining_ms=remaining_ms
        )
        self._on_document(source, acceptance.value)

    def _rejected(self, source: str, error: DecisionError) -> None:
        self._on_document(source, error.problem)
        if not self._rejecting:
            self._rejecting = True
            self._log.warning("decision refused, keeping the last good one", problem=str(error))

    def _failed(self, error: StoreError) -> None:
        if self.problem is None or self.held is None:
            self._log.warning("the store does not answer", kind=error.kind, problem=str(error))
        self.problem = str(error)
