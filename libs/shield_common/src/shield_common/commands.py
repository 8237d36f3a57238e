"""How both services' subcommands take their options, read their configuration and fail.

Belongs here: what a user of either would expect to be the same in the other. What a subcommand does
belongs to its service.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click
from msgspec import Struct

from shield_common.config.loader import SettingsError, load
from shield_common.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T", bound=Struct)
Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")

EXIT_FAILED: Final = 1
EXIT_BAD_CONFIG: Final = 2  # click's own for a bad command line


def config_option(default: str) -> Callable[[Command], Command]:
    """Return the decorator for ``--config``, a path."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path),
        default=default,
        show_default=True,
        help="The configuration file (YAML).",
    )


def output_option(for_people: str) -> Callable[[Command], Command]:
    """Return the decorator for ``--output``: ``json``, or else what people read."""
    return click.option(
        "--output",
        type=click.Choice([for_people, "json"]),
        default=for_people,
        show_default=True,
        help="For people, or for programs.",
    )


@dataclass(frozen=True, slots=True)
class Program:
    """One of the programs, as it speaks on standard error.

    Attributes:
        name: as it is called in a shell.
    """

    name: str

    def say(self, message: str) -> None:
        """Write one line to standard error; control characters are shown, not sent."""
        click.echo(f"{self.name}: {printable(' '.join(message.split()))}", err=True)

    def fail(self, message: str, code: int) -> NoReturn:
        """End the process with one line and an exit code."""
        self.say(message)
        sys.exit(code)

    def load(self, path: Path, kind: type[T]) -> T:
        """Read the configuration; a bad one ends the process with `EXIT_BAD_CONFIG`."""
        try:
            return load(path, kind, environment=os.environ)
        except SettingsError as error:
            self.fail(str(error), EXIT_BAD_CONFIG)
