"""The options of ``simulate`` that describe a world, and the world that they describe.

A scenario or the rates give the world; every further option changes one thing about it.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from shield_evaluator.backtest import recording
from shield_evaluator.backtest.runs import count_runs
from shield_evaluator.cli.values import (
    PART,
    RATE,
    SECONDS,
    SECONDS_OR_NEVER,
    SHARE,
    SIZE,
    SPAN,
)
from shield_evaluator.simulate.scenarios import BURST_BEGINS, SCENARIOS, USUAL_RATE
from shield_evaluator.simulate.world import HOUR, Arrivals, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from click import ParamType

Command = TypeVar("Command", bound="Callable[..., Any]")

ALL: Final = "all"
AFTER: Final = 2 * HOUR
# Option -> (part of the world, field of it, type, help). Those not given leave the world as it is.
_CHANGES: Final[Mapping[str, tuple[str, str, ParamType[Any], str]]] = {
    "quota": ("etcd", "quota", SIZE, "etcd's quota.  [8Gi]"),
    "in-use": ("etcd", "base", SHARE, "Share of the quota in use without any run.  [15%]"),
    "file": ("etcd", "file", SHARE, "Size of etcd's file at the start.  [as much as is in use]"),
    "compaction": ("etcd", "compaction", SECONDS, "Time between compactions.  [5m]"),
    "defrag": (
        "etcd",
        "defrag",
        SECONDS_OR_NEVER,
        "Time between defragmentations, or never.  [1h]",
    ),
    "run-leaves": (
        "run",
        "leaves",
        SIZE,
        "What each run leaves in etcd until it is pruned.  [614Ki]",
    ),
    "run-writes": (
        "run",
        "writes",
        SIZE,
        "Revisions that each run writes besides, until a compaction.  [4Mi]",
    ),
    "run-lasts": ("run", "lasts", SECONDS, "How long a run writes.  [15m]"),
    "pruned-after": (
        "run",
        "pruned_after",
        SECONDS,
        "Time from the end of a run to its pruning.  [30m]",
    ),
    "patient": (
        "clients",
        "patient",
        SHARE,
        "Share of refused runs whose clients try again.  [70%]",
    ),
    "retries": ("clients", "retries", click.IntRange(0), "Further tries of those clients.  [10]"),
    "retry-after": (
        "clients",
        "wait",
        SECONDS,
        "Time between their tries, plus or minus half.  [30s]",
    ),
    "scrape": ("watching", "scrape", SECONDS, "Time between scrapes of etcd.  [30s]"),
    "admitters": ("watching", "admitters", click.IntRange(1), "Number of admitters.  [3]"),
}


def world_options(command: Command) -> Command:
    """Add the options that describe a world."""
    options = [
        click.option(
            "--scenario",
            type=click.Choice([one.name for one in SCENARIOS] + [ALL]),
            metavar="NAME",
            help="A scenario (listed below), or `all` of them in turn.",
        ),
        click.option(
            "--rate",
            "rates",
            type=RATE,
            multiple=True,
            metavar="RATE",
            help="Runs that clients create, such as 3/s. Needs --for; several pairs follow"
            " each other.",
        ),
        click.option(
            "--for",
            "lengths",
            type=SECONDS,
            multiple=True,
            metavar="DURATION",
            help="How long they create them at that --rate.",
        ),
        click.option(
            "--arrivals",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Create runs as in a recording of backtest or calibrate.",
        ),
        click.option(
            "--usual-rate",
            type=RATE,
            metavar="RATE",
            default=f"{USUAL_RATE:g}/s",
            show_default=True,
            help="Runs that clients create before and after that.",
        ),
        click.option(
            "--before",
            type=SECONDS_OR_NEVER,
            metavar="DURATION",
            default=f"{BURST_BEGINS // 60}m",
            show_default=True,
            help="Duration of the time before.",
        ),
        click.option(
            "--after",
            type=SECONDS_OR_NEVER,
            metavar="DURATION",
            default=f"{AFTER // HOUR}h",
            show_default=True,
            help="Duration of the time after.",
        ),
        *(
            click.option(f"--{name}", type=kind, metavar=_metavar(kind), help=text)
            for name, (_, _, kind, text) in _CHANGES.items()
        ),
        click.option(
            "--without-metrics",
            "blind",
            type=SPAN,
            multiple=True,
            metavar="FROM-TO",
            help="A period without etcd's metrics, such as 15m-30m.",
        ),
        click.option(
            "--tier",
            "tiers",
            type=PART,
            multiple=True,
            metavar="TIER[=SHARE]",
            help="The tier of the runs, or several with their shares.  [the default tier]",
        ),
        click.option("--seed", type=int, help="Seed of the random numbers.  [1]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def phases(
    rates: Sequence[float], lengths: Sequence[int], usual: float, before: int, after: int
) -> World:
    """Return a world in which some rates follow each other.

    Raises:
        ValueError: not as many lengths as rates, or too much.
    """
    if len(rates) != len(lengths):
        raise ValueError("each --rate needs one --for")
    second = before
    changes = [(0, usual)] if before else []
    for rate, length in zip(rates, lengths, strict=True):
        changes.append((second, rate))
        second += length
    if after:
        changes.append((second, usual))
    return World(seconds=second + after, arrivals=Arrivals(changes))


def recorded(path: Path) -> World:
    """Return a world in which runs are asked for as they were created in a recording.

    Raises:
        SamplesError: the file cannot be read, or is not a recording.
        ValueError: it has no runs, or is too long.
    """
    samples = recording.read(path)
    runs = count_runs(samples)
    if runs is None:
        raise ValueError(f"--arrivals: {path.name} has no created runs: record it again")
    step = samples.grid.step_ms / 1000
    changes = [
        (round(index * step), (after - before) / step)
        for index, (before, after) in enumerate(pairwise(runs.totals))
    ]
    return World(seconds=max(1, round(len(changes) * step)), arrivals=Arrivals(changes))


def changed(world: World, options: Mapping[str, Any]) -> World:
    """Return a world with what the options change about it.

    Args:
        world: what is changed.
        options: values of the options of `world_options`, by parameter.

    Raises:
        ValueError: what they describe cannot be.
    """
    parts: dict[str, Any] = {
        "etcd": world.etcd,
        "run": world.run,
        "clients": world.clients,
        "watching": world.watching,
    }
    for name, (part, field, _, _) in _CHANGES.items():
        value = options[name.replace("-", "_")]
        if value is not None:
            if name == "defrag":
                value = value or None
            parts[part] = dataclasses.replace(parts[part], **{field: value})
    if options["blind"]:
        parts["watching"] = dataclasses.replace(parts["watching"], blind=options["blind"])
    if options["tiers"]:
        parts["tiers"] = dict(options["tiers"])
    if options["seed"] is not None:
        parts["seed"] = options["seed"]
    return dataclasses.replace(world, **parts)


def _metavar(kind: ParamType[Any]) -> str:
    return "N" if isinstance(kind, click.IntRange) else kind.name.upper()
