"""The log of denials: one line each, and only a count of them while they come in floods."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.review import Request
    from shield_admitter.core.verdict import Verdict

# A person can follow ten lines a second, and more would cost the request path.
MOST_PER_SECOND: Final = 10
WINDOW_MS: Final = 1_000


class DenialLog:
    """Writes who was denied what and why; never anything else of the object."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._window_ends = now_ms() + WINDOW_MS
        self._written = 0
        self._suppressed = 0
        self._log = logs.get(__name__)

    def write(self, review: Request, verdict: Verdict) -> None:
        """Log a denial, or what would have been one."""
        if self._now_ms() >= self._window_ends:
            self.flush()
        if self._written >= MOST_PER_SECOND:
            self._suppressed += 1
            return
        self._written += 1
        self._log.info(
            verdict.outcome.value,
            tier=verdict.tier,
            reason=verdict.reason.value,
            why="" if verdict.entry is None else verdict.entry.reason,
            kind=review.kind.kind,
            namespace=review.namespace,
            name=review.display_name(),
            user=review.userInfo.username,
            uid=review.uid,
            dry_run=bool(review.dryRun),
        )

    def flush(self) -> None:
        """Begin another second; say how many lines the last one lacks."""
        if self._suppressed:
            self._log.info("more denials than lines", not_logged=self._suppressed)
        self._suppressed = 0
        self._written = 0
        self._window_ends = self._now_ms() + WINDOW_MS

    async def run(self) -> None:
        """Flush when a flood is over and nobody else does. Runs until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_MS / 1000)
            if self._now_ms() >= self._window_ends:
                self.flush()
