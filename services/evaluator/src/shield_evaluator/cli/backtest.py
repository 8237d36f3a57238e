"""``shield-evaluator backtest``: what a configuration would have done in the past."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from shield_common.commands import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_evaluator.backtest import recording, report, tables
from shield_evaluator.backtest.fetch import fetch
from shield_evaluator.backtest.replay import replay
from shield_evaluator.backtest.samples import Samples, SamplesError, check_size
from shield_evaluator.backtest.stretch import DEFAULT_FROM, Stretch
from shield_evaluator.cli.pictures import plot_format, plot_option
from shield_evaluator.cli.terminal import (
    config_option,
    echo_json,
    echo_tables,
    fail,
    interruptible,
    load_settings,
    output_option,
    say,
)
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from shield_evaluator.backtest.findings import Report
    from shield_evaluator.backtest.samples import Grid
    from shield_evaluator.settings import EvaluatorSettings


@click.command()
@config_option
@click.option(
    "--prometheus",
    metavar="URL",
    help="Query this Prometheus instead of prometheus.urls, with the same credentials.",
)
@click.option(
    "--from", "start", metavar="TIME", help=f"Start of the range.  [default: {DEFAULT_FROM}]"
)
@click.option("--to", "end", metavar="TIME", help="End of the range.  [default: now]")
@click.option(
    "--step",
    metavar="DURATION",
    help="Time between two evaluations.  [default: 30s, or the interval if that is longer]",
)
@click.option(
    "--from-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Replay samples that --record wrote, without Prometheus.",
)
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A second configuration, shown side by side for the same samples.",
)
@click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Save the samples as JSON."
)
@plot_option("usage, thresholds and closings")
@output_option
def backtest(
    *,
    config: Path,
    prometheus: str | None,
    start: str | None,
    end: str | None,
    step: str | None,
    from_file: Path | None,
    compare: Path | None,
    record: Path | None,
    plot: Path | None,
    output: str,
) -> None:
    """Show what a configuration would have done in the past.

    Replays past samples through the same latches as `run`: when would each tier have closed, for
    how long, how long before etcd was full, and which outages would it have missed?

    TIME is `now`, a time before now such as -7d or now-90m (units w, d, h, m, s), an ISO 8601 time
    such as 2026-11-20T10:00Z (UTC without a zone), or Unix seconds.

    \b
    Examples:
      shield-evaluator backtest --config new.yaml --from -30d --compare old.yaml
      shield-evaluator backtest --config new.yaml --from -7d --record week.json
      shield-evaluator backtest --config new.yaml --from-file week.json --plot week.png

    Exit codes: 0 success, 1 no samples, or a file cannot be read or written, 2 bad configuration or
    usage, 130 interrupted. A run that fails or is interrupted leaves existing files as they were.
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    stretch = Stretch(start, end, step)
    form = plot_format(plot)
    with interruptible():
        settings = load_settings(config)
        chosen = [(config.name, settings)]
        if compare is not None:
            label = compare.name if compare.name != config.name else str(compare)
            chosen.append((label, load_settings(compare)))
        samples = _samples([one for _, one in chosen], stretch, from_file, prometheus)
        try:
            if record is not None:
                document = recording.encode(samples)
                with recording.replacing(record) as temporary:
                    temporary.write_bytes(document)
            reports = [(name, _report(one, samples)) for name, one in chosen]
            if plot is not None:
                _draw(plot, form, settings, samples, reports)
        except SamplesError as error:
            fail(str(error), EXIT_FAILED)
        _print(reports, output)


def _samples(
    settings: list[EvaluatorSettings],
    stretch: Stretch,
    from_file: Path | None,
    prometheus: str | None,
) -> Samples:
    if from_file is not None:
        if stretch.given or prometheus is not None:
            fail(
                "--from-file cannot be combined with --prometheus, --from, --to, --step",
                EXIT_BAD_CONFIG,
            )
        try:
            samples = recording.read(from_file)
        except SamplesError as error:
            fail(str(error), EXIT_FAILED)
    else:
        samples = _fetched(settings, stretch, prometheus)
    _check_samples(settings, samples)
    return samples


def _fetched(
    settings: list[EvaluatorSettings], stretch: Stretch, prometheus: str | None
) -> Samples:
    asked = settings[0].prometheus
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
    for one in settings:
        for name, expression in one.expressions().items():
            names = expressions.get(expression, ())
            expressions[expression] = names if name in names else (*names, name)
    try:
        grid = stretch.grid(max(one.interval for one in settings), time.time_ns() // 1_000_000)
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


def _check_samples(settings: list[EvaluatorSettings], samples: Samples) -> None:
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


def _report(settings: EvaluatorSettings, samples: Samples) -> Report:
    plan = settings.plan()
    steps = replay(plan, settings.expressions(), samples)
    return report.build(plan, steps, samples.grid)


def _draw(
    path: Path,
    form: str,
    settings: EvaluatorSettings,
    samples: Samples,
    reports: list[tuple[str, Report]],
) -> None:
    # An optional extra, and slow to import.
    from shield_evaluator.backtest.plot import draw  # noqa: PLC0415

    queries = samples.of(settings.expressions())
    with recording.replacing(path) as temporary:
        draw(temporary, form, settings.plan(), queries, samples.grid, reports)


def _print(reports: list[tuple[str, Report]], output: str) -> None:
    if output == "json":
        echo_json(
            {"reports": [{"config": name, **msgspec.to_builtins(one)} for name, one in reports]}
        )
    else:
        echo_tables(tables.render(reports))
