"""Keeps the set of held runs up to date with the API server: list, then watch, again after a break.

Belongs here: when to list, to watch and to wait. What a run is, and in which order runs start, is
the core's.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from shield_common import logs
from shield_common.lifecycle import backoff
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import EXPIRED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shield_controller.core.runs import HeldRun
    from shield_controller.kubernetes.pipelineruns import Change, PipelineRuns

# A watch that the server ends at once must not become a busy loop: one new watch a second costs
# the API server nothing.
MIN_WATCH_SECONDS: Final = 1.0


class HeldRuns:
    """All held runs, as far as they are known.

    Attributes:
        synced: whether a list was complete since the start.
        problem: why the set may be out of date; None while it is not.
    """

    def __init__(
        self,
        runs: PipelineRuns,
        *,
        time: Callable[[], float],
        random: Callable[[], float],
        on_held: Callable[[HeldRun], None] = lambda _run: None,
        on_list: Callable[[], None] = lambda: None,
    ) -> None:
        """Store the collaborators; nothing is read yet.

        Args:
            runs: the PipelineRuns of the cluster.
            time: a monotonic clock in seconds.
            random: a random number from 0 to 1, for jitter.
            on_held: called with every run that is held while the controller watches.
            on_list: called after every complete list.
        """
        self._runs = runs
        self._time = time
        self._random = random
        self._on_held = on_held
        self._on_list = on_list
        self._held: dict[str, HeldRun] = {}
        self._failing_status: int | None = None
        self._log = logs.get(__name__)
        self.synced = False
        self.problem: str | None = "not listed yet"

    @property
    def all(self) -> Collection[HeldRun]:
        """All held runs, in no order."""
        return self._held.values()

    def get(self, uid: str) -> HeldRun | None:
        """Return a held run."""
        return self._held.get(uid)

    def replace(self, run: HeldRun) -> None:
        """Replace a run by what was read just now, if it is still known."""
        if run.uid in self._held:
            self._held[run.uid] = run

    def discard(self, run: HeldRun) -> None:
        """Remove a run that is known to be not held any more, unless it changed meanwhile."""
        if self._held.get(run.uid) == run:
            del self._held[run.uid]

    async def follow(self) -> None:
        """List and watch. Runs until cancelled."""
        failures = 0
        version: str | None = None
        while True:
            started = self._time()
            try:
                if version is None:
                    version = await self._list()
                async for change in self._runs.watch_held(version):
                    if change.resource_version != version:  # the server sent something
                        failures = 0
                    version = change.resource_version or version
                    self._apply(change)
                    self._recovered()
                self._recovered()
            except KubernetesError as error:
                failures += 1
                if error.status == EXPIRED:
                    version = None
                    self.problem = str(error)
                else:
                    self._failed(error)
                delay = error.retry_after or 0.0
                await asyncio.sleep(max(delay, backoff(failures, self._random())))
            # An ended watch that brought news may begin again at once, but not all the time.
            await asyncio.sleep(max(0.0, started + MIN_WATCH_SECONDS - self._time()))

    async def _list(self) -> str:
        runs, version = await self._runs.list_held()
        self._held = {run.uid: run for run in runs}
        self._recovered()
        if not self.synced:
            self._log.info("held runs listed", held=len(runs))
        self.synced = True
        self._on_list()
        return version

    def _apply(self, change: Change) -> None:
        if not change.uid:
            return
        if change.run is None:
            self._held.pop(change.uid, None)
            return
        if change.is_new and change.uid not in self._held:
            self._on_held(change.run)
        self._held[change.uid] = change.run

    def _failed(self, error: KubernetesError) -> None:
        if self._failing_status != error.status:  # one line for each kind of failure
            self._log.warning("held runs cannot be watched", problem=str(error))
        self._failing_status = error.status
        self.problem = str(error)

    def _recovered(self) -> None:
        if self._failing_status is not None:
            self._log.info("held runs are watched again")
        self._failing_status = None
        self.problem = None
