"""The ``shield-evaluator`` command: one module per subcommand, put together here.

What a subcommand does belongs to its own module; what several need is in ``cli.options``. Exit
codes are the same everywhere and stand in every ``--help``.
"""

from __future__ import annotations

import click

from shield_evaluator.cli.backtest import backtest
from shield_evaluator.cli.check import check
from shield_evaluator.cli.override import override
from shield_evaluator.cli.run import run
from shield_evaluator.cli.status import status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shield-evaluator")
def main() -> None:
    """Watch etcd through Prometheus and publish whether PipelineRuns are admitted.

    Exit codes: 0 done or stopped by a signal, 1 cannot do its work, 2 bad configuration or usage,
    130 interrupted. What else a command can end with stands in its own help.
    """


main.add_command(run)
main.add_command(check)
main.add_command(status)
main.add_command(override)
main.add_command(backtest)
