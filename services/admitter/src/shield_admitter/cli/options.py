"""Options, exit codes and the look at Redis that the subcommands share."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from shield_admitter.feed import DecisionFeed
from shield_admitter.settings import AdmitterSettings
from shield_common.settings import SettingsError, load
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.freshness import Held

DEFAULT_CONFIG: Final = "/etc/etcd-shield/admitter.yaml"
EXIT_FAILED: Final = 1
EXIT_BAD_CONFIG: Final = 2  # click's own for a bad command line
EXIT_DENIED: Final = 3

config_option = click.option(
    "--config",
    type=click.Path(path_type=Path),
    default=DEFAULT_CONFIG,
    show_default=True,
    help="The configuration file (YAML).",
)
output_option = click.option(
    "--output",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)


def load_settings(path: Path) -> AdmitterSettings:
    """Read the configuration; a bad one ends the process with exit code 2 and one line."""
    try:
        return load(path, AdmitterSettings, environment=os.environ)
    except SettingsError as error:
        fail(str(error), EXIT_BAD_CONFIG)


def fail(message: str, code: int) -> NoReturn:
    """End the process with one line on standard error."""
    click.echo(f"shield-admitter: {' '.join(message.split())}", err=True)
    sys.exit(code)


async def read_once(
    settings: AdmitterSettings, *, now_ms: Callable[[], int]
) -> tuple[Held | None, str | None]:
    """Ask Redis for the decision as an admitter that has just started does.

    Returns:
        The decision, and what is wrong with Redis or with what it holds.
    """
    results: list[str] = []
    store = RedisStore(settings.redis, cluster=settings.cluster)
    feed = DecisionFeed(
        store,
        cluster=settings.cluster,
        limits=settings.policy().limits,
        refresh=settings.refresh,
        now_ms=now_ms,
        chance=lambda: 0.0,
        on_document=lambda _source, result: results.append(result),
    )
    try:
        await feed.read()
    except StoreError as error:
        return None, f"Redis does not answer: {error}"
    finally:
        await store.close()
    if feed.held is not None:
        return feed.held, None
    if results == ["absent"]:
        return None, f"Redis holds no decision for cluster {settings.cluster}"
    return None, f"Redis holds no decision that can be used: {', '.join(results)}"
