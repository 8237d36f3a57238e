"""What the command lines of all services share: options, loading of settings, exit codes.

A user of one service's subcommands expects the same of the other's. What a subcommand does belongs
to its service.
"""

from __future__ import annotations

import json
import os
import sys
from collections import UserDict
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import click
import msgspec
from msgspec import Struct

from shield_common.config.loader import SettingsError, load
from shield_common.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from shield_common.store.check import TriedOperation

T = TypeVar("T", bound=Struct)
Command = TypeVar("Command", bound="Callable[..., Any] | click.Command")

EXIT_FAILED: Final = 1
EXIT_BAD_CONFIG: Final = 2  # click uses it for a bad command line


class Subcommands(UserDict[str, click.Command]):
    """The subcommands of a group, each imported when it is used or described.

    A command does not load the libraries of the others then, and completion answers at once.
    """

    def __init__(self, package: str, *names: str) -> None:
        """Name the subcommands.

        Args:
            package: where they are, each a function in a module of its own name.
            names: of all subcommands.
        """
        super().__init__({name: click.Command(name) for name in names})
        self._package = package

    def __getitem__(self, name: str) -> click.Command:
        if name not in self.data:
            raise KeyError(name)
        command: click.Command = getattr(import_module(f"{self._package}.{name}"), name)
        return command


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
    """Return the decorator for ``--output``: ``json``, or a form for people."""
    return click.option(
        "--output",
        type=click.Choice([for_people, "json"]),
        default=for_people,
        show_default=True,
        help="For people, or for programs.",
    )


def echo(line: str) -> None:
    """Write one line to standard output; control characters are shown, not sent."""
    click.echo(printable(line))


def echo_json(document: object, *, one_line: bool = False) -> None:
    r"""Write a document as JSON; what is not printable becomes ``\\u`` escapes, so nothing is lost.

    Args:
        document: anything that msgspec encodes.
        one_line: instead of an indented document.
    """
    encoded = msgspec.json.encode(document)
    text = (encoded if one_line else msgspec.json.format(encoded)).decode()
    click.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


class Finding(Struct, frozen=True):
    """The result of one part of a ``check``.

    Attributes:
        name: what was checked.
        ok: whether the service can work with it.
        says: the result as text.
    """

    name: str
    ok: bool
    says: str


def redis_findings(tried: Iterable[TriedOperation]) -> list[Finding]:
    """Return a finding for each operation that Redis does not let the service do."""
    return [
        Finding(operation.name, ok=not operation.needed, says=operation.problem)
        for operation in tried
        if operation.problem is not None
    ]


def finish_check(findings: Sequence[Finding], output: str) -> NoReturn:
    """Print findings and end the process: with 0 if all are ok, else with `EXIT_FAILED`.

    Args:
        findings: of all parts.
        output: ``json``, or a form for people.
    """
    if output == "json":
        echo_json(findings)
    else:
        for finding in findings:
            echo(f"{'ok' if finding.ok else 'FAILED':6}  {finding.name}: {finding.says}")
    sys.exit(0 if all(finding.ok for finding in findings) else EXIT_FAILED)


@dataclass(frozen=True, slots=True)
class Program:
    """One of the programs, for its messages on standard error.

    Attributes:
        name: the command's name in a shell.
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
        """Read the configuration; a bad one ends the process with `EXIT_BAD_CONFIG`.

        Until a service configures its logs, they go to standard error: standard output belongs to a
        command's result.
        """
        from shield_common import logs  # noqa: PLC0415 - takes 0.1 s, which `--help` need not wait

        logs.configure_command()
        try:
            return load(path, kind, environment=os.environ)
        except SettingsError as error:
            self.fail(str(error), EXIT_BAD_CONFIG)
