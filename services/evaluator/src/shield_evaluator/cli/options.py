"""Options and exit codes that the subcommands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import click

from shield_common.settings import SettingsError, load
from shield_evaluator.settings import EvaluatorSettings

DEFAULT_CONFIG: Final = "/etc/etcd-shield/evaluator.yaml"
EXIT_FAILED: Final = 1
EXIT_BAD_CONFIG: Final = 2  # click's own for a bad command line

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file (YAML).",
)
output_option = click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)


def load_settings(path: Path) -> EvaluatorSettings:
    """Read the configuration; a bad one ends the process with exit code 2 and one line."""
    try:
        return load(path, EvaluatorSettings, environment=os.environ)
    except SettingsError as error:
        click.echo(f"shield-evaluator: {error}", err=True)
        sys.exit(EXIT_BAD_CONFIG)
