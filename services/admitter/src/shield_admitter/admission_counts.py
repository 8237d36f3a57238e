"""Counting admitted runs for the evaluator, beside the request path.

The request path only adds to a number in memory. A background task adds what has come together to
the store's counters, so that a slow or absent store delays no request and loses no count: what
could not be added is added later. An admitter that is killed loses at most one flush.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.lifecycle import backoff
from shield_common.store.protocol import StoreError, UnclearError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.store.protocol import AdmittedCounter

# Runs must be reserved for in the evaluator's next cycle. A write of a few bytes four times a
# second is nothing to Redis, and there is none while nothing is admitted.
FLUSH_SECONDS: Final = 0.25

ADDED: Final = "added"
KEPT: Final = "kept"
DROPPED: Final = "dropped"
RESULTS: Final = (ADDED, KEPT, DROPPED)


class AdmissionCounts:
    """Runs that this admitter has admitted and not yet added to the store's counters.

    Attributes:
        pending: tier -> runs.
        problem: why the last flush failed; None if it did not.
    """

    def __init__(
        self,
        store: AdmittedCounter,
        *,
        random: Callable[[], float],
        on_flush: Callable[[str], None] = lambda _result: None,
    ) -> None:
        """Keep the collaborators.

        Args:
            store: has the counters.
            random: a random number from 0 to 1, which spreads the retries of many admitters.
            on_flush: counts flushes by result: ``added``, ``kept`` for later, or ``dropped``.
        """
        self.pending: Counter[str] = Counter()
        self.problem: str | None = None
        self._store = store
        self._random = random
        self._on_flush = on_flush
        self._log = logs.get(__name__)

    def count(self, tier: str) -> None:
        """Count one admitted run."""
        self.pending[tier] += 1

    async def run(self) -> None:
        """Flush until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(backoff(failures, self._random()) if failures else FLUSH_SECONDS)
            failures = 0 if await self.flush() else failures + 1

    async def flush(self) -> bool:
        """Add what is pending to the store's counters; return whether nothing is left to retry."""
        if not self.pending:
            return True
        counts, self.pending = self.pending, Counter()
        try:
            await self._store.add_admitted(counts)
        except UnclearError as error:
            # Adding them again could count runs twice and close the shield for no reason.
            self._failed(str(error), DROPPED, dropped=counts.total())
            return True
        except StoreError as error:
            self.pending.update(counts)
            self._failed(str(error), KEPT)
            return False
        if self.problem is not None:
            self._log.info("admitted runs are counted in the store again")
        self.problem = None
        self._on_flush(ADDED)
        return True

    def _failed(self, problem: str, result: str, dropped: int = 0) -> None:
        if dropped:
            self._log.warning("admitted runs may not be counted", runs=dropped, problem=problem)
        elif self.problem is None:
            self._log.warning("admitted runs cannot be counted in the store", problem=problem)
        self.problem = problem
        self._on_flush(result)
