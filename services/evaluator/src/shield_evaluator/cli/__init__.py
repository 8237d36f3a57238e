"""The ``shield-evaluator`` command: one module per subcommand, put together here.

``terminal`` has what the subcommands share: options, output and exit codes.
"""

from __future__ import annotations

import click

from shield_evaluator.cli.backtest import backtest
from shield_evaluator.cli.calibrate import calibrate
from shield_evaluator.cli.check import check
from shield_evaluator.cli.override import override
from shield_evaluator.cli.run import run
from shield_evaluator.cli.simulate import simulate
from shield_evaluator.cli.status import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
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


main.add_command(run)
main.add_command(check)
main.add_command(status)
main.add_command(override)
main.add_command(backtest)
main.add_command(simulate)
main.add_command(calibrate)
