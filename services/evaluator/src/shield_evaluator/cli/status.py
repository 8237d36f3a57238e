"""``shield-evaluator status``: what the shield does now, read from Redis."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from shield_common.command_line import EXIT_BAD_CONFIG
from shield_common.store.protocol import StoreError
from shield_common.text import format_datetime, format_duration
from shield_evaluator.cli.stored import (
    Standing,
    StoredStatus,
    describe_override,
    read_status,
    with_store,
)
from shield_evaluator.cli.terminal import (
    EXIT_DENYING,
    EXIT_UNKNOWN,
    config_option,
    console,
    echo_json,
    echo_tables,
    fail,
    load_settings,
    say,
    signal_table,
)
from shield_evaluator.status.cards import queue_sentence, room_sentence
from shield_evaluator.status.queue import beside_admitters, queue_of
from shield_evaluator.table_style import cell, new_table, value_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.console import RenderableType
    from rich.table import Table

    from shield_common.decision import Decision
    from shield_common.store.redis import RedisStore
    from shield_evaluator.settings import EvaluatorSettings

REFRESH_SECONDS: Final = 1.0  # often enough to see that the decision's age grows

_EXIT_CODES: Final = {
    Standing.ADMITTING: 0,
    Standing.DENYING: EXIT_DENYING,
    Standing.STALE: EXIT_UNKNOWN,
    Standing.ABSENT: EXIT_UNKNOWN,
}
_STYLES: Final = {
    Standing.ADMITTING: "bold green",
    Standing.DENYING: "bold red",
    Standing.STALE: "bold yellow",
    Standing.ABSENT: "bold yellow",
}


@click.command()
@config_option
@click.option("--tier", help="Tier that the exit code is about.  [default: default_tier]")
@click.option("--watch", is_flag=True, help="Read again every second until Ctrl-C.")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    help="Table for people, JSON for programs.  [default: table on a terminal, json elsewhere]",
)
def status(*, config: Path, tier: str | None, watch: bool, output: str | None) -> None:
    """Show what the shield does now.

    For each tier: whether it admits or denies, since when and why, how many more runs fit, what
    admitted runs are still going to write, and how many runs are held, in which namespaces. Also
    the signals, the time until etcd is full, which evaluator is the writer, the override, and how
    many admitters are connected. All of it is read from Redis, as the admitters do, so no evaluator
    needs to run. With --watch, JSON is one
    line per reading.

    Exit codes: 0 the tier is admitted, 3 it is denied, 4 there is no decision or it is out of date,
    1 Redis does not answer, 2 bad configuration or usage, 130 interrupted.
    """
    settings = load_settings(config)
    chosen = tier or settings.default_tier
    form = output or ("table" if sys.stdout.isatty() else "json")
    if chosen not in settings.tiers:
        fail(f"there is no tier {chosen!r}, only {', '.join(settings.tiers)}", EXIT_BAD_CONFIG)
    if watch:
        with_store(settings, lambda store: _watch(store, settings, chosen, form))
        return
    stored = with_store(settings, lambda store: _read(store, settings, chosen))
    _print(stored, form, _units(settings))
    sys.exit(_EXIT_CODES[stored.standing])


async def _read(store: RedisStore, settings: EvaluatorSettings, tier: str) -> StoredStatus:
    plan = settings.plan()
    return await read_status(store, cluster=settings.cluster, tier=tier, plan=plan)


async def _watch(store: RedisStore, settings: EvaluatorSettings, tier: str, output: str) -> None:
    terminal = console()
    full_screen = output == "table" and terminal.is_terminal
    units = _units(settings)
    with Live(console=terminal, auto_refresh=False, screen=full_screen) as live:
        while True:
            try:
                stored = await _read(store, settings, tier)
            except StoreError as error:
                # In an incident Redis may be back in a second, so watching goes on.
                problem = f"Redis does not answer: {error}"
                if full_screen:
                    live.update(cell(problem), refresh=True)
                else:
                    say(problem)
            else:
                if full_screen:
                    live.update(Group(*tables(stored, units)), refresh=True)
                else:
                    _print(stored, output, units, one_line=True)
            await asyncio.sleep(REFRESH_SECONDS)


def _print(
    stored: StoredStatus, output: str, units: Mapping[str, str], *, one_line: bool = False
) -> None:
    if output == "json":
        echo_json(stored, one_line=one_line)
    else:
        echo_tables(tables(stored, units))


def _units(settings: EvaluatorSettings) -> dict[str, str]:
    return {name: signal.unit.value for name, signal in settings.plan().signals.items()}


def tables(stored: StoredStatus, units: Mapping[str, str]) -> Iterator[RenderableType]:
    """Yield what people read.

    Args:
        stored: what Redis holds.
        units: of each signal's values; the decision does not have them.
    """
    yield Text.assemble(
        cell(f"{stored.cluster}, tier {stored.tier}: "),
        cell(stored.standing.value, style=_STYLES[stored.standing]),
    )
    yield from map(cell, _facts(stored))
    if stored.decision is not None:
        yield _tier_table(stored.decision)
        yield from map(cell, _rooms(stored, stored.decision))
        yield from _queue(stored)
        yield signal_table(stored.decision.signals, units)


def _facts(stored: StoredStatus) -> Iterator[str]:
    decision = stored.decision
    if stored.problem is not None:
        yield f"problem: {stored.problem}"
    if decision is None:
        yield "decision: none"
    else:
        age = (
            "of unknown age"
            if stored.age_seconds is None
            else f"{format_duration(stored.age_seconds)} old"
        )
        yield f"decision: epoch {decision.epoch}, sequence {decision.sequence}, {age}"
        full = decision.time_to_full_seconds
        yield f"time to full: {'not growing' if full is None else format_duration(full)}"
    yield f"lease: {stored.lease_holder or 'not held; is an evaluator running?'}"
    if stored.admitters is None:
        yield "admitters subscribed: unknown"
    else:
        yield f"admitters subscribed: {stored.admitters}{beside_admitters(decision)}"
    if stored.override is None:
        yield "override: none"
    else:
        description = describe_override(stored.override, stored.override_seconds)
        pending = "" if stored.override_in_force else " (no evaluator has obeyed it yet)"
        yield f"override: {description}{pending}"


def _rooms(stored: StoredStatus, decision: Decision) -> Iterator[str]:
    for name, tier in decision.tiers.items():
        sentence = room_sentence(tier, stored.reservations.get(name))
        if sentence is not None:
            yield f"{name}: {sentence}"


def _queue(stored: StoredStatus) -> Iterator[RenderableType]:
    decision, queue = stored.decision, queue_of(stored.held)
    for name, tier in ({} if decision is None else decision.tiers).items():
        sentence = queue_sentence(tier)
        if sentence is not None:
            yield cell(f"{name}: {sentence}")
    if queue is None or not queue.rows:
        return
    table = new_table("tier", "namespace", "held", "the oldest for", right={"held"})
    for row in queue.rows:
        table.add_row(*map(cell, (row.tier, row.namespace, row.held, row.oldest)))
    yield table
    yield cell(" ".join(text for text in (queue.summary, queue.more) if text))


def _tier_table(decision: Decision) -> Table:
    numbers = ("value", "set", "reset")
    table = new_table("tier", "", "since (UTC)", *numbers, "why", right=numbers)
    for name, tier in decision.tiers.items():
        table.add_row(
            cell(name),
            cell("admits", style="green") if tier.allow else cell("denies", style="bold red"),
            format_datetime(tier.since),
            *(value_text(value, tier.unit) for value in (tier.value, tier.set, tier.reset)),
            cell(tier.reason or tier.warning or ""),
        )
    return table
