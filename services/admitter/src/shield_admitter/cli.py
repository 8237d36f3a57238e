"""The ``shield-admitter`` command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import uvloop

from shield_admitter import app
from shield_admitter.settings import AdmitterSettings
from shield_common import logs
from shield_common.settings import SettingsError, load

DEFAULT_CONFIG = "/etc/etcd-shield/admitter.yaml"
EXIT_BAD_CONFIG = 2

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file (YAML).",
)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shield-admitter")
def main() -> None:
    """Answer the API server's admission reviews from the last published decision.

    Exit codes: 0 stopped by a signal, 1 cannot do its work, 2 bad configuration or usage.
    """


@main.command()
@config_option
def run(config: Path) -> None:
    """Serve the webhook until SIGTERM."""
    settings = load_settings(config)
    logs.configure(settings.log, service="admitter")
    sys.exit(uvloop.run(app.run(settings, config)))


def load_settings(path: Path) -> AdmitterSettings:
    """Read the configuration; a bad one ends the process with exit code 2 and one line."""
    try:
        return load(path, AdmitterSettings, environment=os.environ)
    except SettingsError as error:
        click.echo(f"shield-admitter: {error}", err=True)
        sys.exit(EXIT_BAD_CONFIG)
