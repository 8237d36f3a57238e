"""Run a cycle every interval; cycles never overlap, and missed ticks are skipped."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_evaluator.core.state import Instant
    from shield_evaluator.cycle import Cycle


class Loop:
    """Runs cycles at fixed ticks, counted from the first one so that they do not drift."""

    def __init__(
        self,
        cycle: Cycle,
        *,
        now: Callable[[], Instant],
        on_overrun: Callable[[int], None] = lambda _missed: None,
    ) -> None:
        self._cycle = cycle
        self._now = now
        self._on_overrun = on_overrun
        self._woken = asyncio.Event()
        self._restart = False
        self._overrunning = False
        self._log = logs.get(__name__)

    def redecide(self) -> None:
        """Publish again now instead of at the next tick: the override may have changed."""
        self._woken.set()

    def reevaluate(self) -> None:
        """Start a cycle now and count the ticks from there: the configuration has changed."""
        self._restart = True
        self._woken.set()

    async def run(self) -> None:
        """Run until cancelled.

        Raises:
            EvictionPolicyError: the store must not be used.
        """
        tick_ms = float(self._now().ms)
        while True:
            self._restart = False
            await self._evaluate()
            tick_ms = self._next_tick(tick_ms)
            await self._wait_until(tick_ms)
            if self._restart:
                tick_ms = float(self._now().ms)

    async def _evaluate(self) -> None:
        """Run a cycle; a change of the override meanwhile does not wait for Prometheus."""
        cycle = asyncio.ensure_future(self._cycle.evaluate())
        try:
            while not cycle.done():
                woken = asyncio.ensure_future(self._woken.wait())
                await asyncio.wait({cycle, woken}, return_when=asyncio.FIRST_COMPLETED)
                woken.cancel()
                if self._woken.is_set() and not cycle.done():
                    self._woken.clear()
                    if not self._restart:
                        await self._cycle.redecide()
            await cycle
        finally:
            cycle.cancel()
            await asyncio.gather(cycle, return_exceptions=True)

    def _next_tick(self, tick_ms: float) -> float:
        interval_ms = self._cycle.config.interval * 1000
        tick_ms += interval_ms
        late_ms = self._now().ms - tick_ms
        if late_ms < 0:
            self._overrunning = False
            return tick_ms
        missed = int(late_ms // interval_ms) + 1
        self._on_overrun(missed)
        if not self._overrunning:
            self._log.warning("cycle overran its interval", skipped=missed)
        self._overrunning = True
        return tick_ms + missed * interval_ms

    async def _wait_until(self, tick_ms: float) -> None:
        """Wait for the next tick, and publish again whenever the override changes or ends."""
        while not self._restart and (left_ms := tick_ms - self._now().ms) > 0:
            ends_ms = self._cycle.override_ends_ms
            if ends_ms is not None:
                left_ms = min(left_ms, max(ends_ms - self._now().ms, 1))
            try:
                async with asyncio.timeout(left_ms / 1000):
                    await self._woken.wait()
            except TimeoutError:
                if ends_ms is None or self._now().ms < ends_ms:
                    continue
            self._woken.clear()
            if not self._restart:
                await self._cycle.redecide()
