"""Structured logs: one line per event, JSON for machines, readable for people.

Every string in an event may come from a requester, so each is bounded, and the renderers escape
control characters: one event is one line.
"""

from __future__ import annotations

import logging
import math
import sys
from typing import TYPE_CHECKING, Final, Literal, TextIO

import structlog

from shield_common.config.loader import SettingsStruct
from shield_common.text import printable

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

# Long enough for any reason or path, short enough that a 10 KB name stays one readable line.
MAX_TEXT: Final = 512
MAX_ITEMS: Final = 20  # of a list; beyond that nobody reads them in a log
# A deep traceback of ours; its end says what happened.
MAX_TRACEBACK: Final = 16 * 1024
_MAX_INTEGER: Final = 2**63  # what every reader of JSON lines takes

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
        service: stands in every event as ``service``.
        stream: standard error unless given.
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
    handler = logging.StreamHandler(stream)
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
    root = logging.getLogger()
    root.handlers[:] = [handler]
    set_level(settings.level)


def set_level(level: Level) -> None:
    """Change the least severe level that is written, while running."""
    logging.getLogger().setLevel(level.upper())


def get(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def _service(service: str) -> Processor:
    def add(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return add


def _bound(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key != "exception":
            event[key] = _bounded(value)
        elif len(value) > MAX_TRACEBACK:
            event[key] = f"({len(value)} characters) …{value[-MAX_TRACEBACK:]}"
    return event


def _bounded(value: object) -> object:
    """Return what any JSON reader takes, and never more than a line's worth of it."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):  # too many decimal digits are refused, see sys.int_info
        return value if abs(value) < _MAX_INTEGER else _cut(hex(value))
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= MAX_ITEMS:
        return [_cut(item if isinstance(item, str) else repr(item)) for item in value]
    return _cut(value if isinstance(value, str) else repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text)} characters)"


def _escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(printable(line) for line in value.splitlines())
        elif isinstance(value, str):
            event[key] = printable(value)
    return event
