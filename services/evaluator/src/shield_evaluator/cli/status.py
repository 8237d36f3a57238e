"""``shield-evaluator status``: what the shield does now, as Redis holds it."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Final

import click
import msgspec
from rich.console import Group
from rich.live import Live

from shield_common.commands import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_evaluator.cli.options import config_option, fail, load_settings, say
from shield_evaluator.cli.terminal import (
    EXIT_DENYING,
    EXIT_UNKNOWN,
    console,
    interruptible,
)
from shield_evaluator.console.glance import Glance, Standing, look
from shield_evaluator.console.panel import render

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shield_evaluator.settings import EvaluatorSettings

REFRESH_SECONDS: Final = 1.0  # decisions come every few seconds; their age should be seen to grow

_EXITS: Final = {
    Standing.ADMITTING: 0,
    Standing.DENYING: EXIT_DENYING,
    Standing.STALE: EXIT_UNKNOWN,
    Standing.ABSENT: EXIT_UNKNOWN,
}


@click.command()
@config_option
@click.option("--tier", help="Whose standing the exit code tells.  [default: default_tier]")
@click.option("--watch", is_flag=True, help="Look again every second until Ctrl-C.")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    help="For people, or for programs.  [default: table on a terminal, json elsewhere]",
)
def status(*, config: Path, tier: str | None, watch: bool, output: str | None) -> None:
    """Show what the shield does now.

    Tiers, signals, since when and why, the time to full, the writer, the override, and how many
    admitters are subscribed. Reads Redis, not the evaluator, so it shows what the admitters would
    read. With --watch, JSON is one line for every look.

    Exit codes: 0 admitting, 3 denying, 4 the decision is stale or there is none, 1 Redis does not
    answer, 2 bad configuration or usage, 130 interrupted.
    """
    settings = load_settings(config)
    chosen = tier or settings.default_tier
    form = output or ("table" if sys.stdout.isatty() else "json")
    if chosen not in settings.tiers:
        fail(f"there is no tier {chosen!r}, only {', '.join(settings.tiers)}", EXIT_BAD_CONFIG)
    with interruptible():
        try:
            if watch:
                asyncio.run(_watch(settings, chosen, form))
            else:
                glance = asyncio.run(_look(settings, chosen))
                _print(glance, form, _units(settings))
                sys.exit(_EXITS[glance.standing])
        except StoreError as error:
            fail(f"Redis does not answer: {error}", EXIT_FAILED)


async def _look(settings: EvaluatorSettings, tier: str) -> Glance:
    store = RedisStore(settings.redis, cluster=settings.cluster)
    try:
        return await look(store, cluster=settings.cluster, tier=tier)
    finally:
        await store.close()


async def _watch(settings: EvaluatorSettings, tier: str, output: str) -> None:
    store = RedisStore(settings.redis, cluster=settings.cluster)
    terminal = console()
    shown = output == "table" and terminal.is_terminal
    units = _units(settings)
    try:
        with Live(console=terminal, auto_refresh=False, screen=shown) as live:
            while True:
                try:
                    glance = await look(store, cluster=settings.cluster, tier=tier)
                except StoreError as error:
                    # An incident is when one keeps watching: it may be back in a second.
                    if shown:
                        live.update(f"Redis does not answer: {error}", refresh=True)
                    else:
                        say(f"Redis does not answer: {error}")
                else:
                    if shown:
                        live.update(Group(*render(glance, units)), refresh=True)
                    else:
                        _print(glance, output, units, one_line=True)
                await asyncio.sleep(REFRESH_SECONDS)
    finally:
        await store.close()


def _print(
    glance: Glance, output: str, units: Mapping[str, str], *, one_line: bool = False
) -> None:
    if output == "json":
        document = msgspec.json.encode(glance)
        click.echo((document if one_line else msgspec.json.format(document)).decode())
        return
    terminal = console()
    for part in render(glance, units):
        terminal.print(part)


def _units(settings: EvaluatorSettings) -> dict[str, str]:
    return {name: signal.unit.value for name, signal in settings.plan().signals.items()}
