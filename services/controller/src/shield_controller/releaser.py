"""Starts held runs: one round per interval.

The order is decided in `core.queue`, the number of runs in `shield_common.allowance`, and one
attempt is in `patching`; here is when runs are tried, and what an outcome means for the queue.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.allowance import Allowance
from shield_common.lifecycle import backoff
from shield_common.text import format_duration
from shield_controller.core.queue import Served, in_order, priorities_of
from shield_controller.core.release import (
    ReleaseOutcome,
    Retries,
    RunState,
    cancel_patch,
    outcome_of,
    release_patch,
)
from shield_controller.core.report import age_seconds
from shield_controller.kubernetes import events
from shield_controller.kubernetes.client import KubernetesError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from shield_common.decision_feed import DecisionFeed
    from shield_controller.core.release import Patch
    from shield_controller.core.runs import HeldRun
    from shield_controller.held_runs import HeldRuns
    from shield_controller.kubernetes.events import Events
    from shield_controller.patching import Attempt, RunPatches
    from shield_controller.settings import ControllerSettings

CANCELLED_RESULT: Final = "cancelled"  # beside those of `ReleaseOutcome`
RELEASE_RESULTS: Final = (*(outcome.value for outcome in ReleaseOutcome), CANCELLED_RESULT)
# Reading runs whose spec changed while they were held costs a request each.
MAX_CHECKS: Final = 50
# Errors that one run alone may cause, for example by a webhook that fails on it: the runs behind it
# go first for a while.
_PERHAPS_THE_RUNS_FAULT: Final = frozenset({500, 504})


class Releaser:
    """Starts held runs while the decision allows it.

    Attributes:
        stuck: runs whose release was refused.
        allowance: how many may start.
        served: how many each namespace got.
    """

    def __init__(
        self,
        settings: ControllerSettings,
        *,
        held: HeldRuns,
        patches: RunPatches,
        feed: DecisionFeed,
        events: Events,
        now_ms: Callable[[], int],
        server_now: Callable[[], datetime],
        own_now: Callable[[], datetime],
        random: Callable[[], float],
        is_leader: Callable[[], bool],
        on_result: Callable[[str, str], None] = lambda _tier, _result: None,
    ) -> None:
        """Store the collaborators.

        Args:
            settings: rate, interval and age limit.
            held: all held runs.
            patches: how runs are started and cancelled.
            feed: the decision.
            events: for the owners of runs.
            now_ms: a monotonic clock.
            server_now: the API server's wall clock.
            own_now: this machine's wall clock.
            random: a random number from 0 to 1, for jitter.
            is_leader: whether this controller may act.
            on_result: called with tier and result of every attempt.
        """
        self._settings = settings
        self._held = held
        self._patches = patches
        self._feed = feed
        self._events = events
        self._now_ms = now_ms
        self._server_now = server_now
        self._own_now = own_now
        self._random = random
        self._is_leader = is_leader
        self._on_result = on_result
        self._log = logs.get(__name__)
        self._checked: dict[str, int] = {}  # uid -> generation that was seen pending
        self._done: set[str] = set()  # uids that left the queue and that the watch still has
        self._failures = 0
        self._retry_after = 0.0
        self._follows: bool | None = None
        self._postponed = Retries()
        self.stuck = Retries()
        self.served = Served()
        self.allowance = Allowance(
            rate=settings.release.max_rate, interval=settings.interval, now_ms=now_ms()
        )

    def apply_settings(self, settings: ControllerSettings) -> None:
        """Use new settings from the next round on."""
        self._settings = settings
        self.allowance.apply_settings(rate=settings.release.max_rate, interval=settings.interval)

    async def run(self) -> None:
        """Run a round per interval. Runs until cancelled."""
        while True:
            await self.round()
            pause = backoff(self._failures, self._random()) if self._failures else 0.0
            await asyncio.sleep(max(self._settings.interval, pause, self._retry_after))

    async def round(self) -> None:
        """Drop what is no longer held, then start what may start; never raises for the API."""
        self._forget_departed()
        if not self._is_leader() or not self._held.synced:
            return
        self._note_decision(in_force=self._feed.in_force is not None)
        try:
            await self._check_changed()
            await self._apply_max_age()
            await self._release()
        except KubernetesError as error:
            self._retry_after = error.retry_after or 0.0
            if not self._failures:
                self._log.warning("releasing pauses", problem=str(error))
            self._failures += 1
        else:
            if self._failures:
                self._log.info("releasing goes on")
            self._failures, self._retry_after = 0, 0.0

    def _note_decision(self, *, in_force: bool) -> None:
        """Log once when there is no decision to follow, and once when there is one again."""
        if in_force == self._follows:
            return
        self._follows = in_force
        if in_force:
            self._log.info("a decision is in force")
        else:
            self._log.warning("no decision is in force, so nothing is released")

    @property
    def waiting(self) -> list[HeldRun]:
        """Held runs without those that were started just now, in no order."""
        return [run for run in self._held.all if run.uid not in self._done]

    def in_order(self) -> list[HeldRun]:
        """Return the waiting runs in the order in which they start."""
        cached = self._feed.cached
        decision = None if cached is None else cached.decision
        return in_order(self.waiting, self.served, priorities_of(decision))

    def _forget_departed(self) -> None:
        present = {run.uid for run in self._held.all}
        self._done &= present
        self._checked = {uid: seen for uid, seen in self._checked.items() if uid in present}
        self.stuck.keep(present)
        self._postponed.keep(present)
        self.served.update(self._held.all, is_stuck=self._has_failed)

    async def _check_changed(self) -> None:
        """Read the runs whose spec was changed: their owner may have cancelled or started them."""
        changed = [
            run
            for run in self._held.all
            if run.uid not in self._done and self._checked.get(run.uid, 1) < run.generation
        ]
        for run in changed[:MAX_CHECKS]:
            try:
                answer, fresh = await self._patches.examine(run)
            except KubernetesError as error:
                if outcome_of(error.status) is ReleaseOutcome.FAILED:
                    raise
                self._checked[run.uid] = run.generation  # its release will show what it is
                continue
            if fresh is not None:
                self._held.replace(fresh)
                self._checked[fresh.uid] = fresh.generation
            if answer in {RunState.GONE, RunState.NOT_HELD}:
                self._held.discard(run)

    async def _apply_max_age(self) -> None:
        hold = self._settings.hold
        if hold.on_max_age == "keep":
            return
        # A run that is cancelled is lost. So the clock of one machine alone makes none too old:
        # the date comes from any of several API servers, or from a proxy.
        now = min(self._server_now(), self._own_now())
        for run in self.in_order():
            if age_seconds(run.created, now) < hold.max_age:
                continue
            if not self._is_due(run):
                continue
            self._tick()
            if not self.allowance.has_token or not self._is_leader():
                return
            age = format_duration(age_seconds(run.created, now))
            if hold.on_max_age == "cancel":
                await self._attempt(run, cancel_patch, note=f"cancelled after {age}")
            else:
                await self._attempt(run, release_patch, note=f"released after {age} (max_age)")

    async def _release(self) -> None:
        self._tick()
        for run in self.in_order():
            if not self.allowance.has_token:
                return
            if not self._is_due(run):
                continue
            if self.allowance.permits(run.tier) and self._is_leader():
                age = format_duration(age_seconds(run.created, self._server_now()))
                await self._attempt(run, release_patch, note=f"etcd has room; held for {age}")
                self._tick()

    def _has_failed(self, run: HeldRun) -> bool:
        return run.uid in self.stuck or run.uid in self._postponed

    def _is_due(self, run: HeldRun) -> bool:
        """Return whether a run may be tried now: it did not fail, or its next try has come."""
        now_ms = self._now_ms()
        return all(r.is_due(run.uid, now_ms=now_ms) for r in (self.stuck, self._postponed))

    def _tick(self) -> None:
        now_ms = self._now_ms()
        cached = self._feed.in_force
        self.allowance.tick(now_ms)
        if cached is None:
            self.allowance.follow(None, since_ms=now_ms)
        else:
            self.allowance.follow(cached.decision, since_ms=cached.since_ms)

    async def _attempt(
        self, run: HeldRun, patch_of: Callable[[HeldRun], Patch], *, note: str
    ) -> None:
        """Start or cancel one run.

        Raises:
            KubernetesError: the API server does not work; the run stays where it is.
        """
        current = self._held.get(run.uid)
        if current is None:  # it left the queue while the runs before it were patched
            return
        self.allowance.take()
        try:
            attempt = await self._patches.apply(current, patch_of)
        except KubernetesError as error:
            # The patch may have been applied although its answer is lost.
            self.allowance.count(current.tier, now_ms=self._now_ms())
            self._on_result(current.tier, ReleaseOutcome.FAILED)
            if error.status in _PERHAPS_THE_RUNS_FAULT:
                self._postponed.add(current.uid, now_ms=self._now_ms())
            raise
        if attempt.run is not None:
            self._held.replace(attempt.run)
        if attempt.outcome in {ReleaseOutcome.GONE, ReleaseOutcome.NOT_HELD}:
            self._held.discard(current)
        await self._record(current, attempt, note, cancels=patch_of is cancel_patch)

    async def _record(self, run: HeldRun, attempt: Attempt, note: str, *, cancels: bool) -> None:
        outcome, problem = attempt.outcome, attempt.problem
        name = f"{run.namespace}/{run.name}"
        is_cancelled = cancels and outcome is ReleaseOutcome.RELEASED
        self._on_result(run.tier, CANCELLED_RESULT if is_cancelled else outcome.value)
        if outcome is ReleaseOutcome.STUCK:
            if self.stuck.add(run.uid, now_ms=self._now_ms()):
                self._log.warning("a held run cannot start", run=name, problem=problem)
                text = f"the release was refused, and will be tried again: {problem}"
                await self._events.write(run, events.STUCK, text, warning=True)
            return
        if outcome is ReleaseOutcome.CONFLICT:
            return
        self.stuck.discard(run.uid)
        self._done.add(run.uid)
        if outcome is not ReleaseOutcome.RELEASED:
            return
        if not cancels:  # a cancelled run writes nothing, and was not its namespace's turn
            self.allowance.count(run.tier, now_ms=self._now_ms())
            self.served.count(run)
        self._log.info("cancelled" if cancels else "released", run=name, tier=run.tier, why=note)
        await self._events.write(run, events.CANCELLED if cancels else events.RELEASED, note)
