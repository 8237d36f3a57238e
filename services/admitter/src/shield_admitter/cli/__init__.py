"""The ``shield-admitter`` command: one module per subcommand.

What several subcommands need is in ``cli.options``. Every ``--help`` lists the exit codes.
"""

from __future__ import annotations

import click

from shield_common.command_line import Subcommands


@click.group(
    commands=Subcommands(__name__, "check", "explain", "run"),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="shield-admitter")
def main() -> None:
    """Answer the API server's admission reviews from the last published decision.

    Exit codes: 0 done or stopped by a signal, 1 cannot do its work, 2 bad configuration or usage.
    """
