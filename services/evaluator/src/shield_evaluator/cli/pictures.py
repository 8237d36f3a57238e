"""The option ``--plot``, which several commands have: which files they draw, and with what."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from shield_common.command_line import EXIT_BAD_CONFIG
from shield_evaluator.cli.terminal import fail

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")

PLOT_FORMATS: Final = ("png", "svg")


def plot_option(what: str) -> Callable[[Command], Command]:
    """Return the decorator for ``--plot``.

    Args:
        what: what the picture shows.
    """
    return click.option(
        "--plot",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help=f"Draw {what} (.png or .svg); needs shield-evaluator[plot].",
    )


def plot_format(plot: Path | None) -> str:
    """Return the format of a picture; a file that cannot be drawn ends the process."""
    if plot is None:
        return ""
    form = plot.suffix.removeprefix(".").lower()
    if form not in PLOT_FORMATS:
        fail(f"--plot: {plot.name} must end in .png or .svg", EXIT_BAD_CONFIG)
    if find_spec("matplotlib") is None:
        fail("--plot needs matplotlib: pip install 'shield-evaluator[plot]'", EXIT_BAD_CONFIG)
    return form
