"""The ``shield-evaluator`` command: one module per subcommand, put together here.

``terminal`` has what the subcommands share: options, output and exit codes.
"""

from __future__ import annotations

import click

from shield_common.command_line import Subcommands


@click.group(
    commands=Subcommands(
        __name__, "backtest", "calibrate", "check", "override", "run", "simulate", "status"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="shield-evaluator")
def main() -> None:
    """Watch etcd through Prometheus and decide whether PipelineRuns are admitted.

    `run` is the service. The other commands are for operators: `check` tries a configuration,
    `status` shows what the shield does now, `override` allows or denies by hand, `backtest`
    replays the past, `calibrate` finds in it what a run costs, and `simulate` shows what etcd does
    while runs arrive.

    Exit codes: 0 success, 1 failed, 2 bad configuration or usage, 130 interrupted. The help of a
    command lists its further exit codes.
    """
