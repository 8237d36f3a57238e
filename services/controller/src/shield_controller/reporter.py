"""Tells the evaluator, through the store, how many runs are held."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common.held import encode_held_report
from shield_common.store.protocol import StoreError
from shield_controller.core.report import held_report

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from shield_common.held import HeldReport
    from shield_common.store.outage import OutageLog
    from shield_common.store.protocol import HeldReportWriter
    from shield_controller.held_runs import HeldRuns
    from shield_controller.releaser import Releaser

SOURCE: Final = "report"  # in the log of outages
# Admitters count a held run within 250 ms, and the watch shows it about as fast. After this pause
# every run in the counts is in the watched set too. Runs that are held during the pause are
# counted twice until the next report, which makes slots fewer, never more.
SETTLE_SECONDS: Final = 1.0
REPORT_INTERVALS: Final = 3  # after this many missing reports the last one expires
MAX_OTHER_TIERS: Final = 100  # that the decision does not have
MIN_TTL_MS: Final = 30_000


class Reporter:
    """Writes the report of held runs every interval, while this controller is the leader.

    Attributes:
        report: the last report; None before the first.
    """

    def __init__(
        self,
        store: HeldReportWriter,
        *,
        held: HeldRuns,
        releaser: Releaser,
        interval: float,
        server_now: Callable[[], datetime],
        is_leader: Callable[[], bool],
        decision_tiers: Callable[[], Collection[str]],
        outage: OutageLog,
        settle: float = SETTLE_SECONDS,
        on_report: Callable[[HeldReport], None] = lambda _report: None,
    ) -> None:
        self._store = store
        self._held = held
        self._releaser = releaser
        self._interval = interval
        self._server_now = server_now
        self._is_leader = is_leader
        self._decision_tiers = decision_tiers
        self._settle = min(settle, interval / 2)
        self._on_report = on_report
        self._outage = outage
        self.report: HeldReport | None = None

    @property
    def ttl_ms(self) -> int:
        """The lifetime of a report, milliseconds."""
        return max(MIN_TTL_MS, round(REPORT_INTERVALS * self._interval * 1000))

    async def run(self) -> None:
        """Report at intervals. Runs until cancelled."""
        while True:
            await self.write()
            await asyncio.sleep(self._interval - self._settle)

    async def write(self) -> None:
        """Write one report; never raises for the store.

        Nothing is written before the first complete list, nor while the watch is broken: a report
        of too few runs would let admitters hold more than there are slots for. The evaluator then
        lets the slots shrink by what admitters count.
        """
        counted: Mapping[str, int] = {}
        try:
            counted = await self._store.read_held_counts(self._tiers())
            await asyncio.sleep(self._settle)
            self._summarise(counted)
            if self.report is None or not self._is_leader() or self._held.problem is not None:
                return
            await self._store.write_held_report(encode_held_report(self.report), self.ttl_ms)
        except StoreError as error:
            self._outage.failed(SOURCE, error)
            self._summarise(counted)
        else:
            self._outage.answered(SOURCE)

    def _tiers(self) -> set[str]:
        """Return the tiers of the decision, and of held runs, whose owners may invent some."""
        known = set(self._decision_tiers())
        others = {run.tier for run in self._releaser.waiting} - known
        return known | set(sorted(others)[:MAX_OTHER_TIERS])

    def _summarise(self, counted: Mapping[str, int]) -> None:
        """Make a report for metrics too, which show held runs even while the store is away."""
        if not self._held.synced:
            return
        self.report = held_report(
            self._releaser.waiting,
            now=self._server_now(),
            is_stuck=self._releaser.stuck.__contains__,
            per_minute=self._releaser.allowance.per_minute,
            counted=counted,
        )
        self._on_report(self.report)
