"""Completion of ``kubectl shield …``, in the form that kubectl asks plugins for.

kubectl runs `kubectl_complete-shield` with the words after `kubectl shield`, the last of which may
be empty. It prints one completion per line, a tab before its description, and in the last line a
colon and a number: 4 for no file names, 0 for file names as well.
Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

from __future__ import annotations

import sys
from typing import Final

import click
from click.shell_completion import ShellComplete

from kubectl_shield.cli import main as command

NO_FILES: Final = 4
FILES: Final = 0


def completions(words: list[str]) -> list[str]:
    """Return the lines that kubectl reads.

    Args:
        words: the words after `kubectl shield`; the last one is incomplete.
    """
    *before, last = words or [""]
    found = ShellComplete(command, {}, "kubectl-shield", "").get_completions(before, last)
    lines = [
        f"{item.value}\t{item.help}" if item.help else item.value
        for item in found
        if item.type == "plain"
    ]
    directive = FILES if any(item.type in {"file", "dir"} for item in found) else NO_FILES
    return [*lines, f":{directive}"]


def main() -> None:
    """Print the completions of the words on the command line."""
    for line in completions(sys.argv[1:]):
        click.echo(line)
