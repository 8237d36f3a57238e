"""``shield-evaluator check``: would this configuration work?"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click
from rich.table import Table

from shield_common.command_line import EXIT_FAILED
from shield_common.text import format_value
from shield_evaluator.cli.terminal import (
    cell,
    config_option,
    echo,
    echo_json,
    echo_tables,
    interruptible,
    load_settings,
    output_option,
)
from shield_evaluator.cli.trial import Trial, query_environment, query_once, trial_of
from shield_evaluator.status.chart import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import RenderableType

    from shield_evaluator.cli.trial import SignalTrial

_STYLES: Final = {
    Effect.DENIES: "bold red",
    Effect.HOLDS: "yellow",
    Effect.ADMITS: "green",
    Effect.UNKNOWN: "",
}


@click.command()
@config_option
@click.option("--offline", is_flag=True, help="Validate the file only, without Prometheus.")
@output_option
def check(*, config: Path, offline: bool, output: str) -> None:
    """Validate a configuration file and run each of its queries once.

    Shows the value of each signal, its worst member, how many members answered, and what the value
    would do to each tier: a signal denies at or above `set` and admits below `reset`; in between,
    and while it has no usable value, the tier stays as it is. Redis is neither read nor written.
    It also names the section of docs/metrics-sources.md that fits what this Prometheus scrapes.

    Exit codes: 0 the file is valid and every signal has a complete answer, 1 a signal has no usable
    or no complete answer (an incomplete answer can deny, but never admit again), 2 bad
    configuration or usage, 130 interrupted. With --offline, 0 says that the file is valid.
    """
    settings = load_settings(config)
    with interruptible():
        observations = None if offline else asyncio.run(query_once(settings))
        section = None if offline else asyncio.run(query_environment(settings))
    trial = trial_of(settings, observations, section)
    if output == "json":
        echo_json(trial)
    else:
        echo_tables(_tables(trial))
        if section is not None:
            echo(f"Source of the metrics: {section}, see {trial.metrics_source}")
        echo(_conclusion(trial, offline=offline))
    sys.exit(0 if offline or trial.complete else EXIT_FAILED)


def _conclusion(trial: Trial, *, offline: bool) -> str:
    if offline:
        return "The configuration is valid. Prometheus was not queried."
    if trial.complete:
        return "The configuration is valid, and every signal has a complete answer."
    lacking = ", ".join(
        f"{name} is {signal.state}"
        for name, signal in trial.signals.items()
        if signal.state != "ok"
    )
    return f"The configuration is valid, but not every signal has a complete answer: {lacking}."


def _tables(trial: Trial) -> Iterator[RenderableType]:
    yield _signal_table(trial)
    yield _tier_table(trial)
    for name, signal in trial.signals.items():
        if signal.problem is not None:
            yield cell(f"signal {name}: {signal.problem}")


def _signal_table(trial: Trial) -> Table:
    table = Table()
    for column in ("signal", "value", "worst member", "members", "state"):
        table.add_column(column, justify="right" if column in {"value", "members"} else "left")
    for name, signal in trial.signals.items():
        table.add_row(
            cell(name),
            _value(signal.value, signal),
            cell(signal.member or ""),
            str(signal.members),
            cell(signal.state, style="" if signal.state in {"ok", "not asked"} else "bold yellow"),
        )
    return table


def _tier_table(trial: Trial) -> Table:
    table = Table()
    for column in ("tier", "effect", "signal", "value", "warn", "set", "reset", "signal's effect"):
        right = column in {"value", "warn", "set", "reset"}
        table.add_column(column, justify="right" if right else "left")
    for tier, tried in trial.tiers.items():
        for row, (name, threshold) in enumerate(tried.signals.items()):
            signal = trial.signals[name]
            bounds = (threshold.warn, threshold.set, threshold.reset)
            table.add_row(
                cell(tier if row == 0 else ""),
                cell(tried.effect.value if row == 0 else "", style=_STYLES[tried.effect]),
                cell(name),
                _value(signal.value, signal),
                *(_value(bound, signal) for bound in bounds),
                cell(threshold.effect.value, style=_STYLES[threshold.effect]),
            )
    return table


def _value(value: float | None, signal: SignalTrial) -> str:
    return "" if value is None else format_value(value, signal.unit)
