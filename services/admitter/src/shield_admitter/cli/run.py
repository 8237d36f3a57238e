"""``shield-admitter run``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import uvloop

from shield_admitter import app
from shield_admitter.cli.options import config_option, load_settings
from shield_common import logs
from shield_common.filewatch import fingerprint

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
def run(config: Path) -> None:
    """Serve the webhook until SIGTERM.

    Exit codes: 0 stopped by a signal, 1 cannot serve (an address or a certificate cannot be used),
    2 bad configuration or usage.
    """
    before_reading = fingerprint([config])
    settings = load_settings(config)
    logs.configure(settings.log, service="admitter")
    sys.exit(uvloop.run(app.run(settings, config, fingerprint=before_reading)))
