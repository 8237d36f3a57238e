"""The life of a process: background tasks with an owner, backoff, and the signals that end it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Final

from shield_common import logs

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

BACKOFF_FIRST: Final = 0.1  # seconds; a server that restarts is back soon
BACKOFF_MOST: Final = 5.0  # seconds; the refresh of a healthy admitter is no rarer
RESTART_SECONDS: Final = 1.0  # keeps a task that fails at once from becoming a hot loop


class BackgroundTask:
    """Keeps one coroutine function running until its owner stops it.

    A crash is a bug: it is logged with its traceback, counted by ``on_crash``, and the function
    is started again, because a service without its feed or its loop must not look healthy.

    Args:
        name: of the task in logs and metrics.
        run: the function; it should not return.
        on_crash: called with the name when the function fails or returns.
        restart_after: seconds from then until the function is started again.
    """

    def __init__(
        self,
        name: str,
        run: Callable[[], Awaitable[None]],
        *,
        on_crash: Callable[[str], None] = lambda _name: None,
        restart_after: float = RESTART_SECONDS,
    ) -> None:
        self.name = name
        self._run = run
        self._on_crash = on_crash
        self._restart_after = restart_after
        self._task: asyncio.Task[None] | None = None
        self._log = logs.get(__name__).bind(task=name)

    async def start(self) -> None:
        """Start the task; it must not be running."""
        if self._task is not None:
            raise RuntimeError(f"{self.name} is running already")
        self._task = asyncio.create_task(self._keep_running(), name=self.name)

    async def stop(self) -> None:
        """Cancel the task and wait for its end; idempotent."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _keep_running(self) -> None:
        while True:
            try:
                await self._run()
            except Exception:  # noqa: BLE001 - the one place that survives any bug of a task
                self._log.exception("background task crashed, starting it again")
                self._on_crash(self.name)
            else:
                self._log.error("background task ended, starting it again")
                self._on_crash(self.name)
            await asyncio.sleep(self._restart_after)


def backoff(failures: int, random: float) -> float:
    """Return the seconds to wait before the next try.

    Args:
        failures: consecutive failures, from 1.
        random: a random number from 0 to 1; spreads the reconnects of many replicas.
    """
    longest: float = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(failures - 1, 10))
    return longest * (0.5 + random / 2)


def stop_signal() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets; call it in the running loop, once."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event
