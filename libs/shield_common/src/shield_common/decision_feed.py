"""Keeps the cached decision up to date: subscription, GET and watchdog.

Readers take `DecisionFeed.cached` and wait for nothing. What an absent or old decision means is
decided by the services.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration
from shield_common.decision import DocumentError, decode_decision
from shield_common.decision_age import (
    Acceptance,
    CachedDecision,
    FreshnessLimits,
    accept,
    freshness,
)
from shield_common.lifecycle import backoff
from shield_common.store.answers import MALFORMED
from shield_common.store.outage import OutageLog
from shield_common.store.protocol import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.decision import Decision
    from shield_common.decision_age import Freshness
    from shield_common.store.protocol import DecisionReader

# Decisions are published every interval. Three missing ones mean a dead connection, or a dead
# evaluator, for which a new subscription does no harm.
SILENT_INTERVALS: Final = 3
DEFAULT_INTERVAL_MS: Final = 5_000  # until the first decision states the evaluator's interval
MAX_INTERVAL_MS: Final = 60_000  # a document must not be able to switch the watchdog off


# How metrics name where a document came from, and what became of it.
SOURCES: Final = ("subscription", "get")
DOCUMENT_RESULTS: Final = (
    *(acceptance.value for acceptance in Acceptance),
    "absent",
    "no_expiry",
    "malformed",
    "schema",
    "size",
    "cluster",
)


class FreshnessSettings(SettingsStruct, frozen=True, kw_only=True):
    """When a decision no longer counts.

    Attributes:
        stale_after: age from which the decision is stale: still in force.
        expired_after: age from which it is ignored.
    """

    stale_after: Duration = Duration(30)
    expired_after: Duration = Duration(300)

    def __post_init__(self) -> None:
        """Reject ages in the wrong order."""
        if not 0 < self.stale_after < self.expired_after:
            raise ValueError("stale_after must be above 0s and below expired_after")

    def limits(self) -> FreshnessLimits:
        """Return the ages in milliseconds."""
        return FreshnessLimits(self.stale_after.milliseconds, self.expired_after.milliseconds)


class DecisionFeed:
    """Caches the last good decision and keeps it up to date.

    Attributes:
        cached: the decision; None before the first.
    """

    def __init__(
        self,
        store: DecisionReader,
        *,
        cluster: str,
        limits: FreshnessLimits,
        refresh: float,
        now_ms: Callable[[], int],
        random: Callable[[], float],
        on_document: Callable[[str, str], None] = lambda _source, _result: None,
        on_decision: Callable[[Decision], None] = lambda _decision: None,
        outage: OutageLog | None = None,
    ) -> None:
        """Keep the collaborators; nothing is read yet.

        Args:
            store: where decisions are.
            cluster: whose decisions are accepted.
            limits: when the cached decision is stale and expired.
            refresh: seconds between two reads besides the subscription.
            now_ms: a monotonic clock.
            random: a random number from 0 to 1, for jitter.
            on_document: called with the source and the result of every document.
            on_decision: called with every decision that replaces the cached one.
            outage: the log of the store's failures, if others share it.
        """
        self._store = store
        self._cluster = cluster
        self._limits = limits
        self._refresh = refresh
        self._now_ms = now_ms
        self._random = random
        self._on_document = on_document
        self._on_decision = on_decision
        self._log = logs.get(__name__)
        self._is_rejecting = False
        self._is_silent = False
        self._outage = OutageLog() if outage is None else outage
        self._problems = {"get": "not connected yet"}
        self.cached: CachedDecision | None = None

    @property
    def problem(self) -> str | None:
        """The present problem with Redis; None while it answers."""
        return next(iter(self._problems.values()), None)

    @property
    def freshness(self) -> Freshness:
        """How fresh the cached decision is now."""
        return freshness(self.cached, self._limits, now_ms=self._now_ms())

    @property
    def in_force(self) -> CachedDecision | None:
        """The cached decision while it is followed; None without one or once it has expired."""
        return self.cached if self.freshness.in_force else None

    @property
    def age_seconds(self) -> float:
        """Age of the cached decision; infinite without one."""
        return float("inf") if self.cached is None else self.cached.age_ms(self._now_ms()) / 1000

    @property
    def silence_limit(self) -> float:
        """Seconds without a message after which a subscription counts as dead."""
        interval = DEFAULT_INTERVAL_MS if self.cached is None else self.cached.decision.interval_ms
        return SILENT_INTERVALS * min(interval, MAX_INTERVAL_MS) / 1000

    def apply_settings(self, limits: FreshnessLimits, refresh: float) -> None:
        """Use new settings; the cached decision stays."""
        self._limits = limits
        self._refresh = refresh

    async def follow(self) -> None:
        """Subscribe, read, listen; again after every failure. Runs until cancelled."""
        failures, is_malformed = 0, False
        while True:
            try:
                async with self._store.subscribe_decisions() as subscription:
                    await self.read()
                    # Messages that cannot be read come after a confirmation that can.
                    if not is_malformed:
                        self._answered("subscription")
                    while (document := await subscription.next(self.silence_limit)) is not None:
                        failures = 0
                        is_malformed = False
                        self._answered("subscription")
                        self._is_silent = False
                        self._offer(document, source="subscription")
                is_malformed = False
                self._went_silent()
            except StoreError as error:
                is_malformed = error.kind == MALFORMED
                self._failed("subscription", error)
            failures += 1
            await asyncio.sleep(backoff(failures, self._random()))

    async def refresh(self) -> None:
        """Read the decision at intervals besides the subscription. Runs until cancelled."""
        while True:
            await asyncio.sleep(self._refresh * (0.5 + self._random()))
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
        self._answered("get")
        if stored is None:
            self._on_document("get", "absent")
            return
        self._offer(stored.document, source="get", remaining_ms=stored.remaining_ms)

    def _offer(self, document: bytes, *, source: str, remaining_ms: int | None = None) -> None:
        try:
            decision = self._decode(document, source=source, remaining_ms=remaining_ms)
        except DocumentError as error:
            self._on_document(source, error.problem)
            if not self._is_rejecting:
                self._is_rejecting = True
                self._log.warning(
                    "decision rejected, keeping the last good one", problem=str(error)
                )
            return
        self._is_rejecting = False
        self.cached, acceptance = accept(
            self.cached, decision, self._limits, now_ms=self._now_ms(), remaining_ms=remaining_ms
        )
        if acceptance is Acceptance.TAKEN:
            self._on_decision(decision)
        self._on_document(source, acceptance.value)

    def _decode(self, document: bytes, *, source: str, remaining_ms: int | None) -> Decision:
        if source == "get" and remaining_ms is None:
            # The evaluator always sets an expiry. Without it the age is unknown.
            raise DocumentError("no_expiry", "its key has no expiry: not written by an evaluator")
        decision = decode_decision(document)
        if decision.cluster != self._cluster:
            raise DocumentError("cluster", f"it is for cluster {decision.cluster}")
        return decision

    def _went_silent(self) -> None:
        if not self._is_silent:
            self._is_silent = True
            self._log.warning("subscription silent, subscribing again")

    def _answered(self, source: str) -> None:
        self._outage.answered(source)
        self._problems.pop(source, None)

    def _failed(self, source: str, error: StoreError) -> None:
        self._outage.failed(source, error)
        self._problems[source] = str(error)


async def read_once(
    store: DecisionReader, *, cluster: str, limits: FreshnessLimits, now_ms: Callable[[], int]
) -> tuple[CachedDecision | None, str | None]:
    """Read the decision once, as a service does at its start.

    Args:
        store: where decisions are.
        cluster: whose decision is accepted.
        limits: when a decision is stale and expired.
        now_ms: a monotonic clock.

    Returns:
        The decision, and the problem with Redis or with its content.
    """
    results: list[str] = []
    feed = DecisionFeed(
        store,
        cluster=cluster,
        limits=limits,
        refresh=0.0,
        now_ms=now_ms,
        random=lambda: 0.0,
        on_document=lambda _source, result: results.append(result),
    )
    try:
        await feed.read()
    except StoreError as error:
        return None, f"Redis does not answer: {error}"
    if feed.cached is not None:
        return feed.cached, None
    if results == ["absent"]:
        return None, f"Redis holds no decision for cluster {cluster}"
    return None, f"Redis holds no usable decision: {', '.join(results)}"
