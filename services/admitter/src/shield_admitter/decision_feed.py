"""Keeping the held decision current: subscription, GET and watchdog.

Requests read `DecisionFeed.held` and wait for nothing. What an absent or old decision means is
not decided here.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_admitter.core.decision_age import Held, accept
from shield_common import logs
from shield_common.decision import DecisionError, decode_decision
from shield_common.lifecycle import backoff
from shield_common.store.protocol import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.decision_age import FreshnessLimits
    from shield_common.decision import Decision
    from shield_common.store.protocol import DecisionReader

# Decisions are published every interval; three of them missing means a dead connection, or a
# dead evaluator, for which a new subscription does no harm.
SILENT_INTERVALS: Final = 3
DEFAULT_INTERVAL_MS: Final = 5_000  # until the first decision tells its own
MAX_INTERVAL_MS: Final = 60_000  # a document does not get to switch the watchdog off


class DecisionFeed:
    """Holds the last good decision and keeps it current.

    Attributes:
        held: the decision; None before the first.
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
        self._silent = False
        self._failing: dict[str, str] = {}  # source -> kind of error, one log line per episode
        self._problems = {"get": "not connected yet"}
        self.held: Held | None = None

    @property
    def problem(self) -> str | None:
        """What Redis last failed with; None while it answers."""
        return next(iter(self._problems.values()), None)

    def apply_settings(self, limits: FreshnessLimits, refresh: float) -> None:
        """Go on with other settings; what is held stays held."""
        self._limits = limits
        self._refresh = refresh

    async def follow(self) -> None:
        """Subscribe, read, listen; from the start after every failure. Runs until cancelled."""
        failures = 0
        while True:
            try:
                async with self._store.subscribe_decisions() as subscription:
                    await self.read()
                    self._works("subscription")
                    while (document := await subscription.next(self.patience)) is not None:
                        failures = 0
                        self._silent = False
                        self._offer(document, source="subscription")
                self._heard_nothing()
            except StoreError as error:
                self._failed("subscription", error)
            failures += 1
            await asyncio.sleep(backoff(failures, self._chance()))

    async def refresh(self) -> None:
        """Read the decision every so often besides the subscription. Runs until cancelled."""
        while True:
            await asyncio.sleep(self._refresh * (0.5 + self._chance()))
            try:
                await self.read()
            except StoreError as error:
                self._failed("get", error)

    async def read(self) -> None:
        """Read the decision once.

        Raises:
            StoreError: the store did not answer.
        """
        stored = await self._store.read_decision()
        self._works("get")
        if stored is None:
            self._on_document("get", "absent")
            return
        self._offer(stored.document, source="get", remaining_ms=stored.remaining_ms)

    @property
    def patience(self) -> float:
        """After how many seconds of silence a subscription is taken for dead."""
        interval = DEFAULT_INTERVAL_MS if self.held is None else self.held.decision.interval_ms
        return SILENT_INTERVALS * min(interval, MAX_INTERVAL_MS) / 1000

    def _offer(self, document: bytes, *, source: str, remaining_ms: int | None = None) -> None:
        try:
            decision = self._checked(document, from_key=source == "get", remaining_ms=remaining_ms)
        except DecisionError as error:
            self._rejected(source, error)
            return
        self._rejecting = False
        self.held, acceptance = accept(
            self.held, decision, self._limits, now_ms=self._now_ms(), remaining_ms=remaining_ms
        )
        self._on_document(source, acceptance.value)

    def _checked(self, document: bytes, *, from_key: bool, remaining_ms: int | None) -> Decision:
        if from_key and remaining_ms is None:
            # The evaluator always writes with an expiry; without one the age cannot be told.
            raise DecisionError("no_expiry", "its key has no expiry: not written by an evaluator")
        decision = decode_decision(document)
        if decision.cluster != self._cluster:
            raise DecisionError("cluster", f"it is for cluster {decision.cluster}")
        return decision

    def _rejected(self, source: str, error: DecisionError) -> None:
        self._on_document(source, error.problem)
        if not self._rejecting:
            self._rejecting = True
            self._log.warning("decision refused, keeping the last good one", problem=str(error))

    def _heard_nothing(self) -> None:
        if not self._silent:
            self._silent = True
            self._log.warning("subscription silent, subscribing again")

    def _works(self, source: str) -> None:
        if self._failing.pop(source, None) is not None:
            self._log.info("the store answers again", source=source)
        self._problems.pop(source, None)

    def _failed(self, source: str, error: StoreError) -> None:
        if self._failing.get(source) != error.kind:
            self._log.warning(
                "the store does not answer", source=source, kind=error.kind, problem=str(error)
            )
        self._failing[source] = error.kind
        self._problems[source] = str(error)
