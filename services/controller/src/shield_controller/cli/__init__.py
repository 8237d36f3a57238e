"""The ``shield-controller`` command: one module per subcommand.

What several subcommands need is in ``cli.options``. Every ``--help`` lists the exit codes.
"""

from __future__ import annotations

import click

from shield_common.command_line import Subcommands


@click.group(
    commands=Subcommands(__name__, "check", "queue", "release", "run"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="shield-controller")
def main() -> None:
    """Release held PipelineRuns in order, and mirror the decision into Kubernetes.

    `run` is the service. The other commands are for operators: `queue` shows the held runs in their
    order, `release` starts them whatever the decision says, and `check` tries a configuration.

    Exit codes: 0 done or stopped by a signal, 1 cannot do its work, 2 bad configuration or usage.
    """
