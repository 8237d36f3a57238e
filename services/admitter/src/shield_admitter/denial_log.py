"""The log of denials: one line each, and during a flood only their number."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.review import Request
    from shield_admitter.core.verdict import Verdict

# A person can follow ten lines a second, and more would slow the request path down.
MAX_LINES: Final = 10
WINDOW_MS: Final = 1_000


class DenialLog:
    """Logs who was denied what and why, and nothing else of the object."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._window_end = now_ms() + WINDOW_MS
        self._written = 0
        self._suppressed = 0
        self._log = logs.get(__name__)

    def write(self, request: Request, verdict: Verdict) -> None:
        """Log a verdict other than admitted: denied, paced, held, warned or audited."""
        if self._now_ms() >= self._window_end:
            self.flush()
        if self._written >= MAX_LINES:
            self._suppressed += 1
            return
        self._written += 1
        self._log.info(
            verdict.outcome.value,
            tier=verdict.tier,
            reason=verdict.reason.value,
            why="" if verdict.tier_decision is None else verdict.tier_decision.reason,
            kind=request.kind.kind,
            namespace=request.namespace,
            name=request.display_name(),
            user=request.userInfo.username,
            uid=request.uid,
            dry_run=bool(request.dryRun),
        )

    def flush(self) -> None:
        """Log how many lines the last window lacks, and begin the next one."""
        if self._suppressed:
            self._log.info("further denials not logged", not_logged=self._suppressed)
        self._suppressed = 0
        self._written = 0
        self._window_end = self._now_ms() + WINDOW_MS

    async def run(self) -> None:
        """Flush once a flood has ended. Runs until cancelled."""
        while True:
            await asyncio.sleep(WINDOW_MS / 1000)
            if self._now_ms() >= self._window_end:
                self.flush()
