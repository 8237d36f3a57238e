"""How the operators' commands speak: results on standard output, Ctrl-C as one line."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from rich.console import Console

from shield_evaluator.cli.options import fail

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


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into one line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
