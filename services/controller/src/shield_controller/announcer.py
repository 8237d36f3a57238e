"""Tells the owners of newly held runs, with an event on each run, that it waits and why.

Belongs here: which runs are announced, and in which words. How many events are written is bounded
in `kubernetes.events`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from shield_controller.kubernetes.events import BURST, HELD

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.decision_feed import DecisionFeed
    from shield_controller.core.runs import HeldRun
    from shield_controller.kubernetes.events import Events
    from shield_controller.settings import ControllerSettings


class Announcer:
    """Announces newly held runs, beside the watch that finds them."""

    def __init__(
        self,
        settings: ControllerSettings,
        *,
        events: Events,
        feed: DecisionFeed,
        is_leader: Callable[[], bool],
    ) -> None:
        """Store the collaborators.

        Args:
            settings: the page for people that events link to.
            events: for the owners of runs.
            feed: the decision, which may name such a page too.
            is_leader: whether this controller may act.
        """
        self._status_url = settings.status_url
        self._events = events
        self._feed = feed
        self._is_leader = is_leader
        self._waiting: asyncio.Queue[HeldRun] = asyncio.Queue(BURST)

    def apply_settings(self, settings: ControllerSettings) -> None:
        """Link to another page from the next event on."""
        self._status_url = settings.status_url

    def offer(self, run: HeldRun) -> None:
        """Have a run announced; while many wait for that, its event is dropped."""
        if not self._is_leader():
            return
        try:
            self._waiting.put_nowait(run)
        except asyncio.QueueFull:
            self._events.drop()

    async def run(self) -> None:
        """Write an event on each offered run. Runs until cancelled."""
        while True:
            run = await self._waiting.get()
            note = f"held in tier {run.tier}: it starts when {self._condition(run)}{self._link()}"
            await self._events.write(run, HELD, note)

    def _condition(self, run: HeldRun) -> str:
        cached = self._feed.cached
        override = cached and cached.decision.override
        if override and override.covers(run.tier) and not override.allow:
            return "an operator's override has ended and etcd has room"
        return "etcd has room"

    def _link(self) -> str:
        cached = self._feed.cached
        url = self._status_url or (cached and cached.decision.status_url)
        return f". See {url}" if url else ""
