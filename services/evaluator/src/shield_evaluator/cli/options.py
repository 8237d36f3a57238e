"""Options that the subcommands share, and the program that they are part of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common import commands
from shield_evaluator.settings import EvaluatorSettings

if TYPE_CHECKING:
    from pathlib import Path

_PROGRAM: Final = commands.Program("shield-evaluator")
fail = _PROGRAM.fail
say = _PROGRAM.say

config_option = commands.config_option("/etc/etcd-shield/evaluator.yaml")
output_option = commands.output_option("table")


def load_settings(path: Path) -> EvaluatorSettings:
    """Read the configuration; a bad one ends the process with exit code 2 and one line."""
    return _PROGRAM.load(path, EvaluatorSettings)
