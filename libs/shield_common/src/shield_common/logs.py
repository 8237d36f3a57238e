"""Structured logs: one line per event, as JSON or for people, written without ever blocking.

Every string in an event may come from a requester, so each is bounded, and the renderers escape
control characters: one event is one line.

A pipe that is not read blocks the process that writes to it, and with it every admission and
the handling of SIGTERM. So a line is formatted where it is logged and put into a bounded queue; a
thread writes it. While the queue is full, lines are dropped and counted.
"""

from __future__ import annotations

import atexit
import io
import logging
import logging.handlers
import math
import os
import queue
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

from shield_common.config.loader import SettingsStruct
from shield_common.text import printable, truncate

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

# Long enough for any reason or path, short enough that a 10 KB name stays one readable line.
MAX_TEXT: Final = 512
MAX_ITEMS: Final = 20  # of a list; more are not readable in a log
# Longer than any traceback of ours; the end of a longer one is kept, since it names the error.
MAX_TRACEBACK: Final = 16 * 1024
# A few seconds of denials at 500 a second; about 2 MB of the usual lines.
QUEUE_LINES: Final = 2000
# The last lines before an exit are worth waiting for, but not if standard error is not read.
EXIT_SECONDS: Final = 1.0
_MAX_INTEGER: Final = 2**63  # the range of integers that every reader of JSON lines accepts

Level = Literal["debug", "info", "warning", "error"]


class LogSettings(SettingsStruct, frozen=True, kw_only=True):
    """How much is logged and in which form.

    Attributes:
        level: the least severe event that is written.
        format: ``json``, ``console``, or ``auto``: console on a terminal, JSON otherwise.
    """

    level: Level = "info"
    format: Literal["auto", "json", "console"] = "auto"


def configure(settings: LogSettings, *, service: str, stream: TextIO | None = None) -> None:
    """Send this process's logs, structlog's and the standard library's, to a stream.

    Args:
        settings: level and format.
        service: the value of ``service`` in every event.
        stream: standard error by default.
    """
    stream = stream or sys.stderr
    console = settings.format == "console" or (settings.format == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _service(service),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: list[Processor] = (
        [_escape, structlog.dev.ConsoleRenderer(colors=stream.isatty())]
        if console
        else [structlog.processors.JSONRenderer()]
    )
    handler = _QueueHandler(queue.Queue(QUEUE_LINES))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # In every form, as the console's own tracebacks show local variables: secrets.
                structlog.processors.format_exc_info,
                _bound,
                *renderer,
            ],
        )
    )
    _writer.start(handler.queue, stream)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings.level)


def configure_command() -> None:
    """Send errors to standard error and nothing else, for commands that print what they find.

    Unconfigured, structlog writes to standard output, which belongs to a command's result.
    """
    structlog.configure(
        processors=[
            _drop_below_error,
            structlog.stdlib.add_log_level,
            _escape,
            structlog.dev.ConsoleRenderer(colors=False),
        ],
        logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr),
    )


def flush(within: float) -> bool:
    """Wait until all lines are written, at most ``within`` seconds; return whether they are."""
    return _writer.flush(within)


def dropped_lines() -> int:
    """Return how many lines were dropped since the process started."""
    return _writer.dropped


def set_level(level: Level) -> None:
    """Change the least severe level that is written, while running."""
    logging.getLogger().setLevel(level.upper())


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


class _QueueHandler(logging.handlers.QueueHandler):
    """Formats a record and queues the line, or drops it if the queue is full."""

    queue: queue.Queue[logging.LogRecord]

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            _writer.drop()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, ARG002 - the parent's signature
        # The parent would print a traceback to standard error, which may block.
        _writer.drop()


class _StreamHandler(logging.Handler):
    """Writes lines that are formatted already, in the writer's thread."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        try:
            # Around the stream's buffer: at its exit Python waits for the lock of a buffer that a
            # blocked thread holds, and aborts.
            self._descriptor: int | None = stream.fileno()
        except (OSError, io.UnsupportedOperation):
            self._descriptor = None

    def createLock(self) -> None:  # noqa: N802 - the parent's name
        # Only the writer's thread emits, and at exit logging would wait for its lock.
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        # From Python 3.13 on the parent enters the lock without asking whether there is one.
        self.emit(record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.getMessage()}\n"
        try:
            if self._descriptor is None:
                self._stream.write(line)
            else:
                _write(self._descriptor, line.encode("utf-8", errors="backslashreplace"))
        except (OSError, ValueError):  # closed
            _writer.drop()


def _write(descriptor: int, line: bytes) -> None:
    left = memoryview(line)
    while left:
        try:
            left = left[os.write(descriptor, left) :]
        except BlockingIOError:  # another process made the terminal or pipe non-blocking
            select.select([], [descriptor], [])


class _Writer:
    """The thread that writes queued lines, and the count of lines that never got that far."""

    def __init__(self) -> None:
        self.dropped = 0
        self._lock = threading.Lock()
        self._queue: queue.Queue[logging.LogRecord] | None = None
        self._listener: logging.handlers.QueueListener | None = None

    def start(self, lines: queue.Queue[logging.LogRecord], stream: TextIO) -> None:
        """Start a thread that writes queued lines; an earlier one ends after its lines."""
        if self._listener is None:
            atexit.register(self.flush, EXIT_SECONDS)
        elif self.flush(EXIT_SECONDS):
            self._listener.stop()
        self._queue = lines
        # Its thread is a daemon, so that a blocked write does not keep the process alive.
        self._listener = logging.handlers.QueueListener(lines, _StreamHandler(stream))
        self._listener.start()

    def drop(self) -> None:
        with self._lock:
            self.dropped += 1

    def flush(self, within: float) -> bool:
        lines = self._queue
        if lines is None:
            return True
        deadline = time.monotonic() + within
        with lines.all_tasks_done:
            while lines.unfinished_tasks:
                left = deadline - time.monotonic()
                if left <= 0 or not lines.all_tasks_done.wait(left):
                    return False
        return True


_writer: Final = _Writer()


def _service(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _drop_below_error(_logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    if method not in {"error", "exception", "critical"}:
        raise structlog.DropEvent
    return event


def _bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key != "exception":
            event[key] = _bounded(value)
        elif len(value) > MAX_TRACEBACK:
            event[key] = f"({len(value)} characters) …{value[-MAX_TRACEBACK:]}"
    return event


def _bounded(value: object) -> object:
    """Return a value that every JSON reader accepts, bounded to a readable line."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # too many decimal digits are refused, see sys.int_info
        return value if abs(value) < _MAX_INTEGER else _truncated(hex(value))
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= MAX_ITEMS:
        return [_truncated(item if isinstance(item, str) else repr(item)) for item in value]
    return _truncated(value if isinstance(value, str) else repr(value))


def _truncated(text: str) -> str:
    return truncate(text, MAX_TEXT, with_length=True)


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(printable(line) for line in value.splitlines())
        elif isinstance(value, str):
            event[key] = printable(value)
    return event
