"""The reference of all commands, from their own help texts."""

import importlib
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Final

import click

# Each program and where its command is; one that is not installed is left out.
PROGRAMS: Final[Mapping[str, str]] = {
    "shield-evaluator": "shield_evaluator.cli",
    "shield-admitter": "shield_admitter.cli",
    "shield-controller": "shield_controller.cli",
    "kubectl-shield": "kubectl_shield.cli",
}
_WIDTH: Final = 84  # fits beside the navigation
_INTRODUCTION: Final = """# Commands

Every command with its options, as `--help` shows it. [Command line](command-line.md) says where
they run, and how to complete them in a shell."""


def reference() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for program, module in PROGRAMS.items():
        if find_spec(module.partition(".")[0]) is not None:
            parts += _sections(program, importlib.import_module(module).main)
    return "\n\n".join(parts) + "\n"


def _sections(program: str, command: click.Command) -> Iterator[str]:
    for name, found, depth in _walk(program, command, 2):
        context = click.Context(found, info_name=name, terminal_width=_WIDTH)
        yield f"{'#' * depth} {name}\n\n```text\n{found.get_help(context).rstrip()}\n```"


def _walk(
    name: str, command: click.Command, depth: int
) -> Iterator[tuple[str, click.Command, int]]:
    yield name, command, depth
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from _walk(f"{name} {child}", command.commands[child], depth + 1)
