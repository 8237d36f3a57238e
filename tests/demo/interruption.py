"""Turning the signals that end a program into a cancellation, so that everything is cleaned up."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

# Ctrl-C, `kill`, and the terminal that was closed.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Which signal came first; None if none did."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None


@contextmanager
def cancelled_by_signals() -> Iterator[Interruption]:
    """Cancel the current task on the first signal; ignore further ones, it is ending already."""
    interruption = Interruption()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupt(number: signal.Signals) -> None:
        if interruption.signal is None and task is not None:
            interruption.signal = number
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield interruption
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
