"""``shield-evaluator run``: the service itself; everything it does is behind ``app``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import click
import uvloop

from shield_common import logs
from shield_common.filewatch import fingerprint
from shield_evaluator.app import Evaluator
from shield_evaluator.cli.terminal import config_option, load_settings

if TYPE_CHECKING:
    from pathlib import Path

    from shield_evaluator.settings import EvaluatorSettings


@click.command()
@config_option
def run(config: Path) -> None:
    """Run the service until SIGTERM or SIGINT.

    It queries Prometheus once per interval, decides for every tier, and publishes the decision to
    Redis. The configuration file is read again when it changes; a bad file is logged, and the old
    configuration stays in force.

    Exit codes: 0 stopped by a signal, 1 the service cannot work, 2 bad configuration or usage.
    """
    before_reading = fingerprint([config])
    settings = load_settings(config)
    logs.configure(settings.log, service="evaluator")
    sys.exit(uvloop.run(_serve(settings, config, before_reading)))


async def _serve(settings: EvaluatorSettings, path: Path, before_reading: bytes) -> int:
    return await Evaluator(
        settings, path=path, fingerprint=before_reading, environment=os.environ
    ).run()
