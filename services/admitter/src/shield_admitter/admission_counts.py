"""Counting admitted and held runs for the evaluator, beside the request path.

The request path only adds to a number in memory. A background task adds what has come together to
the store's counters, so that a slow or absent store delays no request. What could not be added is
added later. A count is lost only if an admitter is killed (at most one flush), or if the store did
not say whether it was added (docs/adr/0144).
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.lifecycle import backoff
from shield_common.store.keys import held_field, tier_of_held_field
from shield_common.store.protocol import StoreError, UnclearError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.store.outage import OutageLog
    from shield_common.store.protocol import AdmittedCounter

# Runs must be reserved for in the evaluator's next cycle. A write of a few bytes four times a
# second is nothing to Redis, and there is none while nothing is admitted.
FLUSH_SECONDS: Final = 0.25

ADDED: Final = "added"
KEPT: Final = "kept"
DROPPED: Final = "dropped"
SOURCE: Final = "counts"  # in the log of the store's failures
FLUSH_RESULTS: Final = (ADDED, KEPT, DROPPED)


class AdmissionCounts:
    """Runs that this admitter has admitted or held and not yet added to the store's counters.

    Attributes:
        unflushed: runs by counter field: a tier for admitted runs, `held_field(tier)` for
            held ones.
    """

    def __init__(
        self,
        store: AdmittedCounter,
        *,
        random: Callable[[], float],
        outage: OutageLog,
        on_flush: Callable[[str], None] = lambda _result: None,
    ) -> None:
        """Keep the collaborators.

        Args:
            store: has the counters.
            random: a random number from 0 to 1, which spreads the retries of many admitters.
            outage: the log of the store's failures.
            on_flush: counts flushes by result: ``added``, ``kept`` for later, or ``dropped``.
        """
        self.unflushed: Counter[str] = Counter()
        self._store = store
        self._random = random
        self._on_flush = on_flush
        self._log = logs.get(__name__)
        self._outage = outage
        self._dropped = 0  # runs since the last flush that was answered

    def count(self, tier: str) -> None:
        """Count one admitted run."""
        self.unflushed[tier] += 1

    def count_held(self, tier: str) -> None:
        """Count one held run."""
        self.unflushed[held_field(tier)] += 1

    def unflushed_held(self) -> int:
        """Return how many held runs the store's counters lack."""
        return sum(
            runs for field, runs in self.unflushed.items() if tier_of_held_field(field) is not None
        )

    async def run(self) -> None:
        """Flush until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(backoff(failures, self._random()) if failures else FLUSH_SECONDS)
            failures = 0 if await self.flush() else failures + 1

    async def flush(self) -> bool:
        """Add the unflushed runs to the store's counters; return whether none are left to retry."""
        if not self.unflushed:
            return True
        counts, self.unflushed = self.unflushed, Counter()
        try:
            await self._store.add_admitted(counts)
        except UnclearError as error:
            # Adding them again could count runs twice and close the shield for no reason.
            self._failed(error, DROPPED)
            self._dropped += counts.total()
            return True
        except StoreError as error:
            self.unflushed.update(counts)
            self._failed(error, KEPT)
            return False
        self._outage.answered(SOURCE)
        if self._dropped:
            self._log.warning(
                "runs that were admitted while the store was away may not be counted",
                runs=self._dropped,
            )
        self._dropped = 0
        self._on_flush(ADDED)
        return True

    def _failed(self, error: StoreError, result: str) -> None:
        self._outage.failed(SOURCE, error, retries=result == KEPT)
        self._on_flush(result)
