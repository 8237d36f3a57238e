"""The past that ``backtest`` and ``calibrate`` look at: their options, and how it is read.

It comes from Prometheus or from a recording, and can be recorded.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_evaluator.backtest import recording
from shield_evaluator.backtest.fetch import fetch
from shield_evaluator.backtest.samples import Samples, SamplesError, check_size
from shield_evaluator.backtest.time_range import DEFAULT_FROM, TimeRange
from shield_evaluator.cli.terminal import fail, say
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shield_evaluator.prometheus.range_query import Grid
    from shield_evaluator.settings import EvaluatorSettings

Command = TypeVar("Command", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Past:
    """Which past is meant; None where an option was not given.

    Attributes:
        time_range: begin, end and step.
        prometheus: the URL of another Prometheus than the configuration's.
        from_file: a recording to read instead.
        record: where to save what was read.
    """

    time_range: TimeRange
    prometheus: str | None
    from_file: Path | None
    record: Path | None


def past_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which past is meant; the command gets them as ``past``."""

    @functools.wraps(command)
    def with_past(
        *,
        start: str | None,
        end: str | None,
        step: str | None,
        prometheus: str | None,
        from_file: Path | None,
        record: Path | None,
        **others: Any,  # noqa: ANN401 - the command's own options
    ) -> None:
        past = Past(TimeRange(start, end, step), prometheus, from_file, record)
        command(past=past, **others)

    for option in reversed(_OPTIONS):
        with_past = option(with_past)
    return with_past


_OPTIONS: tuple[Callable[[Callable[..., None]], Callable[..., None]], ...] = (
    click.option(
        "--prometheus",
        metavar="URL",
        help="Query this Prometheus instead of prometheus.urls, with the same credentials.",
    ),
    click.option(
        "--from", "start", metavar="TIME", help=f"Start of the range.  [default: {DEFAULT_FROM}]"
    ),
    click.option("--to", "end", metavar="TIME", help="End of the range.  [default: now]"),
    click.option(
        "--step",
        metavar="DURATION",
        help="Time between two samples.  [default: 30s, or the interval if that is longer]",
    ),
    click.option(
        "--from-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read samples that --record wrote, without Prometheus.",
    ),
    click.option(
        "--record",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Save the samples as JSON.",
    ),
)


def read_past(
    past: Past, settings: Sequence[EvaluatorSettings], besides: Mapping[str, str]
) -> Samples:
    """Return the samples of all configurations; what cannot be read ends the process.

    Args:
        past: which past.
        settings: of which configurations the signals are read; the first one's Prometheus is asked.
        besides: what else is asked for: name -> PromQL.
    """
    if past.from_file is not None:
        if past.time_range.given or past.prometheus is not None:
            fail(
                "--from-file cannot be combined with --prometheus, --from, --to, --step",
                EXIT_BAD_CONFIG,
            )
        try:
            samples = recording.read(past.from_file)
        except SamplesError as error:
            fail(str(error), EXIT_FAILED)
    else:
        samples = _fetched(past, settings, besides)
    _check_samples(settings, samples)
    return samples


def record_past(past: Past, samples: Samples) -> None:
    """Save the samples if that was asked for.

    Raises:
        SamplesError: the file cannot be written.
    """
    if past.record is not None:
        document = recording.encode(samples)
        with recording.replacing(past.record) as temporary:
            temporary.write_bytes(document)


def _fetched(
    past: Past, settings: Sequence[EvaluatorSettings], besides: Mapping[str, str]
) -> Samples:
    asked, prometheus = settings[0].prometheus, past.prometheus
    if prometheus is not None:
        if urlsplit(prometheus).scheme not in {"http", "https"}:
            fail(f"--prometheus: {prometheus!r} is not an http:// or https:// URL", EXIT_BAD_CONFIG)
        try:
            asked = msgspec.structs.replace(asked, urls=(prometheus,))
        except ValueError as error:
            fail(f"--prometheus: {error}", EXIT_BAD_CONFIG)
    expressions: dict[str, tuple[str, ...]] = {}
    member_labels = {
        query.expression: query.member_label
        for one in settings
        for query in one.queries().values()
        if query.member_label is not None
    }
    for queries in (*(one.expressions() for one in settings), besides):
        for name, expression in queries.items():
            names = expressions.get(expression, ())
            expressions[expression] = names if name in names else (*names, name)
    try:
        grid = past.time_range.grid(
            max(one.interval for one in settings), time.time_ns() // 1_000_000
        )
        check_size(grid, len(expressions))
    except (ValueError, SamplesError) as error:
        fail(str(error), EXIT_BAD_CONFIG)
    try:
        return asyncio.run(_fetch(PrometheusClient(asked), expressions, member_labels, grid))
    except (PrometheusError, SamplesError) as error:
        fail(str(error), EXIT_FAILED)


async def _fetch(
    client: PrometheusClient,
    expressions: dict[str, tuple[str, ...]],
    member_labels: dict[str, str],
    grid: Grid,
) -> Samples:
    bar = Progress(
        TextColumn("fetching"),
        BarColumn(),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    try:
        with bar:
            task = bar.add_task("", total=grid.steps * len(expressions))
            return await fetch(
                client,
                expressions,
                grid,
                member_labels=member_labels,
                on_steps=lambda steps: bar.advance(task, steps),
            )
    finally:
        await client.close()


def _check_samples(settings: Sequence[EvaluatorSettings], samples: Samples) -> None:
    """Fail without any samples; warn about signals without samples and about other queries."""
    empty = []
    signals = 0
    for one in settings:
        expressions = one.expressions()
        try:
            found = samples.of(expressions)
        except SamplesError as error:
            fail(str(error), EXIT_BAD_CONFIG)
        for name, query in found.items():
            signals += 1
            if not any(any(series.present) for series in query.series):
                empty.append(name)
            if query.expression != expressions[name]:
                say(f"signal {name}: these samples were recorded with another query")
    names = ", ".join(dict.fromkeys(empty))
    if len(empty) == signals:
        fail(f"no samples in this range of signal {names}: check the query", EXIT_FAILED)
    if empty:
        say(f"no samples in this range of signal {names}: it stays blind")
