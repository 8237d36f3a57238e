"""Showing a record while it grows: a live table on a terminal, lines everywhere else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto

from rich.console import Console
from rich.live import Live

from tests.demo.record import Record
from tests.demo.screen import event_line, event_paragraph, live_screen, status_line

_LOOK_SECONDS = 0.2
_STATUS_SECONDS = 2.0


class View(Enum):
    """What is shown besides the events, which are always lines."""

    TABLE = auto()  # the state, redrawn below the events
    LINES = auto()  # the state, as a line every two seconds
    EVENTS = auto()  # nothing


@asynccontextmanager
async def shown(record: Record, console: Console, view: View) -> AsyncIterator[None]:
    """Show events that are added while the context is open, all of them, and the state."""
    display = _Display(record, console)
    shows = {View.TABLE: display.table, View.LINES: display.lines, View.EVENTS: display.events}
    showing = asyncio.create_task(shows[view]())
    try:
        yield
    finally:
        showing.cancel()
        with suppress(asyncio.CancelledError):
            await showing
        display.print_new()


class _Display:
    def __init__(self, record: Record, console: Console) -> None:
        self._record = record
        self._console = console
        self._printed = len(record.events)

    def print_new(self) -> None:
        fresh = self._record.events[self._printed :]
        self._printed += len(fresh)
        for event in fresh:
            if self._console.is_terminal:
                self._console.print(event_paragraph(event))
            else:
                self._console.print(event_line(event), soft_wrap=True)

    async def table(self) -> None:
        # Drawn from here and not from a thread of rich's, which could see half a change. Lines
        # that are printed meanwhile appear above the table.
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                self.print_new()
                live.update(live_screen(self._record), refresh=True)
                await asyncio.sleep(_LOOK_SECONDS)

    async def lines(self) -> None:
        next_status = 0.0
        while True:
            self.print_new()
            if self._record.is_flooded and self._record.elapsed >= next_status:
                line = status_line(self._record)
                self._console.print(line, soft_wrap=True, highlight=False)
                next_status = self._record.elapsed + _STATUS_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)

    async def events(self) -> None:
        while True:
            self.print_new()
            await asyncio.sleep(_LOOK_SECONDS)
