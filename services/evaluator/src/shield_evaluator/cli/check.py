"""``shield-evaluator check``: would this configuration work?"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click
import msgspec

from shield_common.commands import EXIT_FAILED
from shield_evaluator.cli.options import config_option, load_settings, output_option
from shield_evaluator.cli.terminal import console, interruptible
from shield_evaluator.console.trial import Trial, ask, judge
from shield_evaluator.console.trial_tables import render_trial

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Only validate the file; ask Prometheus nothing.")
@output_option
def check(*, config: Path, offline: bool, output: str) -> None:
    """Validate a configuration and ask each of its queries once.

    Shows each signal's value, worst member and number of members, and what each tier would make of
    it: a signal denies at or above set, admits below reset, and holds what the tier does in between
    and while it is unusable. Neither Redis nor the latches are touched.

    Exit codes: 0 the configuration is good and every signal has a complete answer, 1 a signal is
    unusable or partial (with some member missing it could never open the shield again), 2 bad
    configuration or usage, 130 interrupted. With --offline 0 says that the file is good.
    """
    settings = load_settings(config)
    with interruptible():
        seen = None if offline else asyncio.run(ask(settings))
    trial = judge(settings, seen)
    _print(trial, output)
    if output == "table":
        click.echo(_conclusion(trial, offline=offline))
    sys.exit(0 if offline or trial.sound else EXIT_FAILED)


def _print(trial: Trial, output: str) -> None:
    if output == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(trial)).decode())
        return
    terminal = console()
    for part in render_trial(trial):
        terminal.print(part)


def _conclusion(trial: Trial, *, offline: bool) -> str:
    if offline:
        return "The configuration is good. Prometheus was not asked."
    if trial.sound:
        return "The configuration is good, and every signal has a complete answer."
    lacking = ", ".join(
        f"{name} is {signal.state}"
        for name, signal in trial.signals.items()
        if signal.state != "ok"
    )
    return f"The configuration is good, but its answers are not: {lacking}."
