"""``shield-evaluator override``: an operator's allow or deny, for an incident."""

from __future__ import annotations

import getpass
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_common.config.types import Duration
from shield_common.decision import Override
from shield_evaluator.cli import acknowledgement
from shield_evaluator.cli.stored import describe_override, read_status, with_store
from shield_evaluator.cli.terminal import (
    EXIT_UNKNOWN,
    config_option,
    echo,
    echo_json,
    fail,
    interruptible,
    load_settings,
    output_option,
    say,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shield_common.decision import Decision
    from shield_common.store.redis import RedisStore
    from shield_evaluator.cli.stored import StoredStatus
    from shield_evaluator.settings import EvaluatorSettings

# An override is for an incident. What has to hold for longer belongs in the configuration.
MAX_SECONDS: Final = 24 * 3600.0
MIN_SECONDS: Final = 1.0
# The reason is the end of every denial that the override causes, all on one line.
MAX_REASON: Final = 200
MAX_BY: Final = 100

_NOT_OBEYED: Final = (
    f"no evaluator obeyed within {acknowledgement.PATIENCE_SECONDS:g}s: nothing changes for the"
    " admitters until one runs; see `shield-evaluator status`"
)


@click.group()
def override() -> None:
    """Allow or deny by hand for a limited time.

    An override takes precedence over etcd's usage. It is in force on every admitter at once and
    ends after the given time. There is at most one; a new one replaces it. Status, metrics, logs
    and every denial that it causes show who set it and why.

    Exit codes: 0 success, 1 Redis does not answer or you answered no, 2 bad configuration or usage,
    4 no evaluator obeyed, 130 interrupted.
    """


def _setting_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--by", help="Who is responsible.  [default: the user of this process]"),
        click.option("--reason", required=True, help="Why; one line, at most 200 characters."),
        click.option(
            "--for", "lasts", required=True, metavar="DURATION", help="How long, at most 24h."
        ),
        click.option("--all", "every", is_flag=True, help="Every tier."),
        click.option("--tier", "tiers", multiple=True, help="One tier; may be repeated."),
        config_option,
    ):
        command = option(command)
    return command


@override.command()
@_setting_options
def allow(*, config: Path, **wanted: Any) -> None:  # noqa: ANN401 - `_setting_options`
    """Admit, even while etcd is close to its quota.

    Exit codes: 0 in force, 1 Redis does not answer, 2 bad configuration or usage, 4 stored, but no
    evaluator obeyed, 130 interrupted.

    \b
    Example:
      shield-evaluator override allow --tier critical --for 30m --reason "release 4.2, INC-1234"
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    settings = load_settings(config)
    composed, length = _composed(settings, allow=True, **wanted)
    _put(settings, composed, length)


@override.command()
@_setting_options
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def deny(*, config: Path, yes: bool, **wanted: Any) -> None:  # noqa: ANN401 - `_setting_options`
    """Deny, even while etcd has room. Asks for confirmation on a terminal.

    Exit codes: 0 in force, 1 Redis does not answer or you answered no, 2 bad configuration or
    usage, 4 stored, but no evaluator obeyed, 130 interrupted.

    \b
    Example:
      shield-evaluator override deny --all --for 1h --reason "etcd is being restored" --yes
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    settings = load_settings(config)
    composed, length = _composed(settings, allow=False, **wanted)
    if not yes and sys.stdin.isatty():
        tiers = composed.tiers
        scope = "every tier" if tiers is None else f"tier {', '.join(tiers)}"
        question = f"Deny all new runs of {scope} in {settings.cluster} for {length}?"
        with interruptible():
            try:
                if not click.confirm(question, err=True):
                    fail("nothing was changed", EXIT_FAILED)
            except click.Abort as error:  # Ctrl-C, and the end of the input
                raise KeyboardInterrupt from error
    _put(settings, composed, length)


@override.command()
@config_option
def clear(*, config: Path) -> None:
    """End the override now.

    Exit codes: 0 there is no override any more, 1 Redis does not answer, 2 bad configuration or
    usage, 4 removed, but no evaluator obeyed, 130 interrupted.
    """
    cleared, decision = with_store(load_settings(config), acknowledgement.clear)
    echo("override cleared" if cleared else "there was no override")
    if cleared and decision is None:
        fail(_NOT_OBEYED, EXIT_UNKNOWN)


@override.command()
@config_option
@output_option
def show(*, config: Path, output: str) -> None:
    """Show the override, who set it, and whether it is in force.

    Exit codes: 0 shown, or there is none, 1 Redis does not answer, 2 bad configuration or usage,
    130 interrupted.
    """
    settings = load_settings(config)
    stored = with_store(settings, lambda store: _read(store, settings))
    if output == "json":
        echo_json(
            {
                "override": stored.override,
                "remaining_seconds": stored.override_seconds,
                "in_force": stored.override_in_force,
            }
        )
    elif stored.override is None:
        echo("no override")
    else:
        echo(describe_override(stored.override, stored.override_seconds))
        if not stored.override_in_force:
            say("no evaluator has obeyed it yet")


async def _read(store: RedisStore, settings: EvaluatorSettings) -> StoredStatus:
    return await read_status(store, cluster=settings.cluster, tier=settings.default_tier)


def _put(settings: EvaluatorSettings, composed: Override, lasts: Duration) -> None:
    async def replace(store: RedisStore) -> tuple[StoredStatus, Decision | None]:
        before = await _read(store, settings)
        return before, await acknowledgement.put(store, composed, lasts)

    before, decision = with_store(settings, replace)
    if before.override is not None:
        echo(f"replaced: {describe_override(before.override, before.override_seconds)}")
    if decision is None:
        fail(f"stored, but {_NOT_OBEYED}", EXIT_UNKNOWN)
    echo(f"in force: {describe_override(composed, lasts)}")


def _tiers(
    settings: EvaluatorSettings, tiers: tuple[str, ...], *, every: bool
) -> tuple[str, ...] | None:
    if every == bool(tiers):
        fail("give either one or more --tier, or --all", EXIT_BAD_CONFIG)
    for tier in tiers:
        if tier not in settings.tiers:
            fail(f"there is no tier {tier!r}, only {', '.join(settings.tiers)}", EXIT_BAD_CONFIG)
    return None if every else tuple(dict.fromkeys(tiers))


def _composed(
    settings: EvaluatorSettings,
    *,
    allow: bool,
    tiers: tuple[str, ...],
    every: bool,
    lasts: str,
    reason: str,
    by: str | None,
) -> tuple[Override, Duration]:
    chosen, now = _tiers(settings, tiers, every=every), datetime.now(UTC)
    try:
        length = _length(lasts)
        composed = Override(
            allow=allow,
            tiers=chosen,
            reason=_line("--reason", reason, MAX_REASON),
            by=_line("--by", _user() if by is None else by, MAX_BY),
            since=now,
            until=now + timedelta(seconds=length),
        )
    except ValueError as error:
        fail(str(error), EXIT_BAD_CONFIG)
    return composed, length


def _length(text: str) -> Duration:
    length = Duration.parse(text)
    if not MIN_SECONDS <= length <= MAX_SECONDS:
        raise ValueError("--for must be from 1s to 24h; for longer, change the configuration")
    return length


def _line(option: str, text: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise ValueError(f"{option} must not be empty")
    if len(text) > longest:
        raise ValueError(f"{option} must not be longer than {longest} characters")
    if not text.isprintable():
        raise ValueError(f"{option} must be one line without control characters")
    return text


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user has a number and no name
        return f"uid {os.getuid()}"
