"""How the operators' commands speak: results on standard output, one line for what is wrong."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import click
from rich.console import Console

if TYPE_CHECKING:
    from collections.abc import Iterator

EXIT_DENYING: Final = 3
EXIT_UNKNOWN: Final = 4  # nobody renews the decision, or nobody obeys
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count it
# Without a terminal nobody wraps lines; this is wide enough for every table to keep its rows whole.
FILE_WIDTH: Final = 180


def console() -> Console:
    """Return standard output for tables."""
    return Console(
        width=None if sys.stdout.isatty() else FILE_WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
    )


def say(message: str) -> None:
    """Tell the operator something beside the result: one line on standard error."""
    click.echo(f"shield-evaluator: {' '.join(message.split())}", err=True)


def fail(message: str, code: int) -> NoReturn:
    """End the process with one line on standard error."""
    say(message)
    sys.exit(code)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into one line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
