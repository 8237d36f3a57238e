"""The ``shield-admitter`` command: one module per subcommand.

What several subcommands need is in ``cli.options``. Every ``--help`` lists the exit codes.
"""

from __future__ import annotations

import click

from shield_admitter.cli.check import check
from shield_admitter.cli.explain import explain
from shield_admitter.cli.run import run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="shield-admitter")
def main() -> None:
    """Answer the API server's admission reviews from the last published decision.

    Exit codes: 0 done or stopped by a signal, 1 cannot do its work, 2 bad configuration or usage.
    """


main.add_command(run)
main.add_command(check)
main.add_command(explain)
