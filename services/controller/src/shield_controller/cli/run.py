"""``shield-controller run``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
import uvloop

from shield_common import logs
from shield_common.filewatch import fingerprint
from shield_controller import app
from shield_controller.cli.options import config_option, load_settings

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
def run(config: Path) -> None:
    """Release held runs, and mirror the decision, until SIGTERM.

    What it does depends on the configuration: hold.enabled, publish and kueue. With none of them it
    only follows the decision.

    Exit codes: 0 stopped by a signal, 1 cannot do its work (the address for metrics is taken, or a
    namespace is not known), 2 bad configuration or usage.
    """
    before_reading = fingerprint([config])
    settings = load_settings(config)
    logs.configure(settings.log, service="controller")
    sys.exit(uvloop.run(app.run(settings, config, fingerprint=before_reading)))
