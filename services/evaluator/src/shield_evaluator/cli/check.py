"""``shield-evaluator check``: would this configuration work?"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click

from shield_common.command_line import EXIT_FAILED
from shield_common.store.check import try_evaluator_operations
from shield_common.text import format_size
from shield_evaluator.cli.terminal import (
    config_option,
    echo,
    echo_json,
    echo_tables,
    interruptible,
    load_settings,
    output_option,
    signal_table,
)
from shield_evaluator.cli.trial import Trial, ask_prometheus, trial_of
from shield_evaluator.status.chart import Effect
from shield_evaluator.table_style import cell, new_table, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from shield_common.store.check import TriedOperation
    from shield_evaluator.settings import EvaluatorSettings

_STYLES: Final = {
    Effect.DENIES: "bold red",
    Effect.HOLDS: "yellow",
    Effect.ADMITS: "green",
    Effect.UNKNOWN: "",
}


@click.command()
@config_option
@click.option(
    "--offline", is_flag=True, help="Validate the file only, without Prometheus and Redis."
)
@click.option("--skip-redis", is_flag=True, help="Do not try Redis.")
@output_option
def check(*, config: Path, offline: bool, skip_redis: bool, output: str) -> None:
    """Validate a configuration; try its queries and Redis.

    Each query runs once. Shows the value of each signal, its worst member, how many members
    answered, and what the value would do to each tier: a signal denies at or above `set` and admits
    below `reset`; in between, and while it has no usable value, the tier stays as it is. For a tier
    with a `run_cost` it shows how many more runs fit below its target. Every operation that the
    evaluator needs from Redis is tried, without changing anything that a service reads. It also
    names the section of docs/metrics-sources.md that fits what this Prometheus scrapes.

    Exit codes: 0 the file is valid, every signal has a complete answer and Redis allows all that is
    needed, 1 a signal has no usable or no complete answer (an incomplete answer can deny, but never
    admit again), or Redis lacks something, 2 bad configuration or usage, 130 interrupted. With
    --offline, 0 says that the file is valid.
    """
    settings = load_settings(config)
    with interruptible():
        answers = None if offline else asyncio.run(ask_prometheus(settings))
        redis = () if offline or skip_redis else asyncio.run(_try_redis(settings))
    trial = trial_of(settings, answers, redis)
    if output == "json":
        echo_json(trial)
    else:
        echo_tables(_tables(trial))
        if answers is not None and answers.section is not None:
            echo(f"Source of the metrics: {answers.section}, see {trial.metrics_source}")
        echo(_conclusion(trial, offline=offline))
    sys.exit(0 if offline or (trial.complete and not trial.lacking) else EXIT_FAILED)


async def _try_redis(settings: EvaluatorSettings) -> tuple[TriedOperation, ...]:
    return tuple(
        await try_evaluator_operations(
            settings.redis, cluster=settings.cluster, holds=settings.hold.enabled
        )
    )


def _conclusion(trial: Trial, *, offline: bool) -> str:
    if offline:
        return "The configuration is valid. Neither Prometheus nor Redis was asked."
    problems = []
    if not trial.complete:
        states = {name: signal.state for name, signal in trial.signals.items()}
        lacking = ", ".join(f"{name} is {state}" for name, state in states.items() if state != "ok")
        problems.append(f"not every signal has a complete answer: {lacking}")
    if trial.lacking:
        problems.append(f"Redis does not let the evaluator {', '.join(trial.lacking)}")
    if problems:
        return f"The configuration is valid, but {'; '.join(problems)}."
    redis = "" if trial.redis else " Redis was not tried."
    return f"The configuration is valid, and every signal has a complete answer.{redis}"


def _tables(trial: Trial) -> Iterator[RenderableType]:
    yield signal_table(trial.signals, {name: one.unit for name, one in trial.signals.items()})
    yield _tier_table(trial)
    for name, tier in trial.tiers.items():
        if tier.room is not None:
            runs = f"{int(tier.room):,} more runs of {format_size(tier.run_cost or 0)} fit now"
            yield cell(f"tier {name}: {runs}, less what admitted runs are still going to write")
    for name, signal in trial.signals.items():
        if signal.problem is not None:
            yield cell(f"signal {name}: {signal.problem}")
    for query, problem in trial.quota_problems.items():
        yield cell(f"no room is known without etcd's quota: {query}: {problem}")
    for operation in trial.redis:
        if operation.problem is not None:
            hint = "" if operation.needed else " (the evaluator runs without it)"
            yield cell(f"Redis: {operation.name}: {operation.problem}{hint}")


def _tier_table(trial: Trial) -> Table:
    numbers = ("value", "warn", "set", "reset")
    table = new_table("tier", "effect", "signal", *numbers, "signal's effect", right=numbers)
    for tier, tried in trial.tiers.items():
        for row, (name, threshold) in enumerate(tried.signals.items()):
            signal = trial.signals[name]
            values = (signal.value, threshold.warn, threshold.set, threshold.reset)
            table.add_row(
                cell(tier if row == 0 else ""),
                cell(tried.effect.value if row == 0 else "", style=_STYLES[tried.effect]),
                cell(name),
                *(value_text(value, signal.unit) for value in values),
                cell(threshold.effect.value, style=_STYLES[threshold.effect]),
            )
    return table
