"""Options, output and exit codes that the subcommands share.

Results go to standard output, everything else to standard error. Texts may come from others (a
member's label, the reason of an override): every text goes through `tables.cell`, `echo`,
`echo_json` or `say`, which show control characters and bidirectional marks instead of obeying them.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from rich.console import Console

from shield_common import command_line
from shield_evaluator.settings import EvaluatorSettings
from shield_evaluator.table_style import cell, new_table, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rich.console import RenderableType
    from rich.table import Table

    from shield_common.decision import SignalObservation
    from shield_evaluator.cli.trial import SignalTrial

Command = TypeVar("Command", bound="Callable[..., Any]")

EXIT_DENYING: Final = 3
EXIT_UNKNOWN: Final = 4  # no evaluator renews the decision, or none obeys the override
EXIT_INTERRUPTED: Final = 130  # 128 + SIGINT, as shells count it
# Output that is not a terminal has no width; this one fits the rows of every table.
FILE_WIDTH: Final = 180
PLOT_FORMATS: Final = {".png", ".svg"}

_PROGRAM: Final = command_line.Program("shield-evaluator")
fail = _PROGRAM.fail
say = _PROGRAM.say
echo = command_line.echo
echo_json = command_line.echo_json

config_option = command_line.config_option("/etc/etcd-shield/evaluator.yaml")
output_option = command_line.output_option("table")


def plot_option(what: str) -> Callable[[Command], Command]:
    """Return the decorator for ``--plot``; `check_plot` belongs to it.

    Args:
        what: what the picture shows.
    """
    return click.option(
        "--plot",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"Draw {what} (.png or .svg); needs shield-evaluator[plot].",
    )


def check_plot(plot: Path | None) -> None:
    """End the process if a picture is wanted that cannot be drawn."""
    if plot is None:
        return
    if plot.suffix.lower() not in PLOT_FORMATS:
        fail(f"--plot: {plot.name} must end in .png or .svg", command_line.EXIT_BAD_CONFIG)
    if find_spec("matplotlib") is None:
        needed = "--plot needs matplotlib: pip install 'shield-evaluator[plot]'"
        fail(needed, command_line.EXIT_BAD_CONFIG)


def load_settings(path: Path) -> EvaluatorSettings:
    """Read the configuration; a bad one ends the process with exit code 2 and one line."""
    return _PROGRAM.load(path, EvaluatorSettings)


def signal_table(
    signals: Mapping[str, SignalObservation | SignalTrial], units: Mapping[str, str]
) -> Table:
    """Return a table of what signals read.

    Args:
        signals: by name.
        units: of their values.
    """
    right = {"value", "members"}
    table = new_table("signal", "value", "worst member", "members", "state", right=right)
    for name, signal in signals.items():
        is_usual = signal.state in {"ok", "not asked"}
        table.add_row(
            cell(name),
            value_text(signal.value, units.get(name, "number")),
            cell(signal.member or ""),
            str(signal.members),
            cell(signal.state, style="" if is_usual else "bold yellow"),
        )
    return table


def console() -> Console:
    """Return standard output for tables."""
    return Console(
        width=None if sys.stdout.isatty() else FILE_WIDTH,
        highlight=False,
        emoji=False,
        markup=False,
    )


def echo_tables(parts: Iterator[RenderableType]) -> None:
    """Write tables and lines to standard output."""
    terminal = console()
    for part in parts:
        terminal.print(part)


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into one line and exit code 130."""
    try:
        yield
    except KeyboardInterrupt:
        fail("interrupted", EXIT_INTERRUPTED)
