"""The ``shield-controller`` command: one module per subcommand.

What several subcommands need is in ``cli.options``. Every ``--help`` lists the exit codes.
"""

from __future__ import annotations

import click

from shield_controller.cli.check import check
from shield_controller.cli.queue import queue
from shield_controller.cli.release import release
from shield_controller.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shield-controller")
def main() -> None:
    """Release held PipelineRuns in order, and mirror the decision into Kubernetes.

    `run` is the service. The other commands are for operators: `queue` shows the held runs in their
    order, `release` starts them whatever the decision says, and `check` tries a configuration.

    Exit codes: 0 done or stopped by a signal, 1 cannot do its work, 2 bad configuration or usage.
    """


main.add_command(run)
main.add_command(queue)
main.add_command(release)
main.add_command(check)
