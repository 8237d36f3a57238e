"""``shield-evaluator override``: an operator's allow or deny, for an incident."""

from __future__ import annotations

import asyncio
import getpass
import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import click
import msgspec

from shield_common.commands import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_common.durations import Duration
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_evaluator.cli.options import config_option, fail, load_settings, output_option, say
from shield_evaluator.cli.terminal import EXIT_UNKNOWN, interruptible
from shield_evaluator.console import overriding
from shield_evaluator.console.glance import look
from shield_evaluator.console.panel import describe_override

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from shield_common.decision import Decision, Override
    from shield_evaluator.settings import EvaluatorSettings

T = TypeVar("T")

_NOT_TAKEN_UP = (
    f"no evaluator obeyed within {overriding.PATIENCE_SECONDS:g}s: the admitters go on as before"
    " until one runs; see `shield-evaluator status`"
)


@click.group()
def override() -> None:
    """Allow or deny by hand for a limited time.

    It speaks whatever etcd's usage is, is in force on every admitter at once, and ends by itself.
    There is one at a time; a new one replaces the last. It stands in status, metrics, logs and in
    every denial that it causes.

    Exit codes: 0 in force, 1 Redis does not answer or you said no, 2 bad configuration or usage,
    4 stored, but no evaluator took it up, 130 interrupted.
    """


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--by", help="Who is responsible.  [default: the user of this process]"),
        click.option("--reason", required=True, help="Why; one line, at most 200 characters."),
        click.option("--for", "lasts", required=True, metavar="DURATION", help="At most 24h."),
        click.option("--all", "every", is_flag=True, help="Every tier."),
        click.option("--tier", "tiers", multiple=True, help="Which tier; may be repeated."),
        config_option,
    ):
        command = option(command)
    return command


@override.command()
@_setting_options
def allow(
    *,
    config: Path,
    tiers: tuple[str, ...],
    every: bool,
    lasts: str,
    reason: str,
    by: str | None,
) -> None:
    """Admit, even while etcd is close to its quota.

    Exit codes: 0 in force, 1 Redis does not answer, 2 bad configuration or usage, 4 stored, but no
    evaluator took it up, 130 interrupted.

    \b
    Example:
      shield-evaluator override allow --tier critical --for 30m --reason "release 4.2, INC-1234"
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    settings = load_settings(config)
    chosen = _tiers(settings, tiers, every=every)
    composed, length = _composed(allow=True, tiers=chosen, lasts=lasts, reason=reason, by=by)
    _put(settings, composed, length)


@override.command()
@_setting_options
@click.option("--yes", is_flag=True, help="Do not ask.")
def deny(
    *,
    config: Path,
    tiers: tuple[str, ...],
    every: bool,
    lasts: str,
    reason: str,
    by: str | None,
    yes: bool,
) -> None:
    """Refuse, even while etcd has room. Asks first on a terminal.

    Exit codes: 0 in force, 1 Redis does not answer or you said no, 2 bad configuration or usage, 4
    stored, but no evaluator took it up, 130 interrupted.

    \b
    Example:
      shield-evaluator override deny --all --for 1h --reason "etcd is being restored" --yes
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    settings = load_settings(config)
    chosen = _tiers(settings, tiers, every=every)
    composed, length = _composed(allow=False, tiers=chosen, lasts=lasts, reason=reason, by=by)
    if not yes and sys.stdin.isatty():
        whom = "every tier" if chosen is None else f"tier {', '.join(chosen)}"
        question = f"Refuse all new runs of {whom} in {settings.cluster} for {length}?"
        with interruptible():
            try:
                if not click.confirm(question, err=True):
                    fail("nothing was changed", EXIT_FAILED)
            except click.Abort as error:  # click's word for Ctrl-C and for the end of the input
                raise KeyboardInterrupt from error
    _put(settings, composed, length)


@override.command()
@config_option
def clear(*, config: Path) -> None:
    """End the override now.

    Exit codes: 0 there is none any more, 1 Redis does not answer, 2 bad configuration or usage, 4
    removed, but no evaluator took it up, 130 interrupted.
    """
    settings = load_settings(config)
    cleared, decision = _run(settings, overriding.clear)
    click.echo("override cleared" if cleared else "there was no override")
    if cleared and decision is None:
        fail(_NOT_TAKEN_UP, EXIT_UNKNOWN)


@override.command()
@config_option
@output_option
def show(*, config: Path, output: str) -> None:
    """Show the override, who set it and whether it is in force.

    Exit codes: 0 shown, also when there is none, 1 Redis does not answer, 2 bad configuration or
    usage, 130 interrupted.
    """
    settings = load_settings(config)
    glance = _run(
        settings, lambda store: look(store, cluster=settings.cluster, tier=settings.default_tier)
    )
    if output == "json":
        document = {
            "override": glance.override,
            "remaining_seconds": glance.override_seconds,
            "in_force": glance.override_in_force,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
    elif glance.override is None:
        click.echo("no override")
    else:
        click.echo(describe_override(glance.override, glance.override_seconds))
        if not glance.override_in_force:
            say("no evaluator has taken it up yet")


def _put(settings: EvaluatorSettings, composed: Override, lasts: Duration) -> None:
    async def replace(store: RedisStore) -> tuple[Override | None, float | None, Decision | None]:
        before = await look(store, cluster=settings.cluster, tier=settings.default_tier)
        decision = await overriding.put(store, composed, lasts)
        return before.override, before.override_seconds, decision

    before, seconds, decision = _run(settings, replace)
    if before is not None:
        click.echo(f"replaced: {describe_override(before, seconds)}")
    if decision is None:
        fail(f"stored, but {_NOT_TAKEN_UP}", EXIT_UNKNOWN)
    click.echo(f"in force: {describe_override(composed, lasts)}")


def _run(settings: EvaluatorSettings, act: Callable[[RedisStore], Awaitable[T]]) -> T:
    async def connected() -> T:
        store = RedisStore(settings.redis, cluster=settings.cluster)
        try:
            return await act(store)
        finally:
            await store.close()

    with interruptible():
        try:
            return asyncio.run(connected())
        except StoreError as error:
            fail(f"Redis does not answer: {error}", EXIT_FAILED)


def _tiers(
    settings: EvaluatorSettings, tiers: tuple[str, ...], *, every: bool
) -> tuple[str, ...] | None:
    if every == bool(tiers):
        fail("name one or more --tier, or say --all", EXIT_BAD_CONFIG)
    for tier in tiers:
        if tier not in settings.tiers:
            fail(f"there is no tier {tier!r}, only {', '.join(settings.tiers)}", EXIT_BAD_CONFIG)
    return None if every else tuple(dict.fromkeys(tiers))


def _composed(
    *, allow: bool, tiers: tuple[str, ...] | None, lasts: str, reason: str, by: str | None
) -> tuple[Override, Duration]:
    try:
        length = Duration.parse(lasts)
        composed = overriding.compose(
            allow=allow,
            tiers=tiers,
            lasts=length,
            reason=reason,
            by=_user() if by is None else by,
            now=datetime.now(UTC),
        )
    except ValueError as error:
        fail(str(error), EXIT_BAD_CONFIG)
    return composed, length


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has a number and no name
        return f"uid {os.getuid()}"
