"""``shield-evaluator calibrate``: what a run costs, found in the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_evaluator.backtest import runs
from shield_evaluator.backtest.samples import QuerySamples, Samples, SamplesError
from shield_evaluator.calibrate import tables
from shield_evaluator.calibrate.advice import grows_over_of, run_cost_of, settings_text
from shield_evaluator.calibrate.fit import CannotTellError, fit
from shield_evaluator.calibrate.history import history_of
from shield_evaluator.cli.past import Past, past_options, read_past, record_past
from shield_evaluator.cli.terminal import (
    check_plot,
    config_option,
    echo_json,
    echo_tables,
    fail,
    interruptible,
    load_settings,
    output_option,
    plot_option,
)
from shield_evaluator.cli.values import SIZE
from shield_evaluator.core.plan import IN_USE_SIGNAL, Unit

if TYPE_CHECKING:
    from pathlib import Path

    from shield_evaluator.calibrate.fit import Fitted
    from shield_evaluator.calibrate.history import RunHistory
    from shield_evaluator.settings import EvaluatorSettings


@click.command()
@config_option
@past_options
@click.option(
    "--runs",
    "runs_query",
    metavar="PROMQL",
    help="A counter of created runs.  [default: the API server's, else etcd-shield's]",
)
@click.option(
    "--signal",
    default=IN_USE_SIGNAL,
    show_default=True,
    help="The signal that reads etcd's live data.",
)
@click.option(
    "--quota",
    type=SIZE,
    metavar="SIZE",
    help="etcd's quota.  [default: the signal's, else etcd_server_quota_backend_bytes]",
)
@plot_option("growth against runs")
@output_option
def calibrate(
    *,
    config: Path,
    past: Past,
    runs_query: str | None,
    signal: str,
    quota: int | None,
    plot: Path | None,
    output: str,
) -> None:
    """Find run_cost and grows_over in the past.

    Compares how much etcd's live data grew between compactions with how many PipelineRuns were
    created before: what does a run write, and over how long? It says how sure that is, and prints
    the tiers of the configuration with what it found. A day with busy and quiet hours is enough; a
    week is better.

    TIME is `now`, a time before now such as -7d or now-90m (units w, d, h, m, s), an ISO 8601 time
    such as 2026-11-20T10:00Z (UTC without a zone), or Unix seconds.

    \b
    Examples:
      shield-evaluator calibrate --from -7d --plot cost.png
      shield-evaluator calibrate --from -7d --record week.json
      shield-evaluator calibrate --from-file week.json --output json

    Exit codes: 0 success, 1 the past does not tell what a run costs, or a file cannot be read or
    written, 2 bad configuration or usage, 130 interrupted.
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    check_plot(plot)
    with interruptible():
        settings = load_settings(config)
        if signal not in settings.expressions():
            fail(f"--signal: there is no signal {signal!r}", EXIT_BAD_CONFIG)
        besides = runs.expressions(settings.plan())
        if runs_query is not None:
            besides[runs.CREATED] = runs_query
        samples = read_past(past, [settings], besides)
        try:
            record_past(past, samples)
            history = _history(settings, samples, signal, quota)
            fitted = fit(history)
            if plot is not None:
                # An optional extra, and slow to import.
                from shield_evaluator.calibrate.plot import draw  # noqa: PLC0415

                draw(plot, history, fitted)
        except (SamplesError, CannotTellError) as error:
            fail(str(error), EXIT_FAILED)
        _print(settings, history, fitted, output)


def _history(
    settings: EvaluatorSettings, samples: Samples, signal: str, quota: int | None
) -> RunHistory:
    count = runs.count_runs(samples)
    if count is None:
        raise CannotTellError(
            "there are no samples of created runs: neither apiserver_request_total nor"
            " etcd_shield_admission_requests_total is in this Prometheus; see --runs"
        )
    size = quota if quota is not None else runs.quotas_of(samples, settings.plan()).get(signal)
    if size is None:
        raise CannotTellError("there are no samples of etcd's quota: give it with --quota")
    query: QuerySamples = samples.of({signal: settings.expressions()[signal]})[signal]
    return history_of(query.series, size, count, samples.grid)


def _print(settings: EvaluatorSettings, history: RunHistory, fitted: Fitted, output: str) -> None:
    found = fitted.calibration
    if output == "json":
        echo_json(
            {
                **msgspec.to_builtins(found),
                "source": history.runs.source,
                "settings": {"run_cost": run_cost_of(found), "grows_over": grows_over_of(found)},
            }
        )
        return
    plan = settings.plan()
    ratios = tuple(name for name, one in plan.signals.items() if one.unit is Unit.RATIO)
    advice = settings_text(found, settings.tiers, ratios)
    echo_tables(tables.render(found, history.runs.source, advice))
