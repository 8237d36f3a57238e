"""``shield-evaluator backtest``: what a configuration would have done in the past."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from shield_common.command_line import EXIT_FAILED
from shield_evaluator.backtest import report, runs, tables
from shield_evaluator.backtest.replay import can_compute_room, replay
from shield_evaluator.backtest.samples import SamplesError
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
    say,
)

if TYPE_CHECKING:
    from shield_evaluator.backtest.findings import Report
    from shield_evaluator.backtest.samples import Samples
    from shield_evaluator.settings import EvaluatorSettings


@click.command()
@config_option
@past_options
@click.option(
    "--compare",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A second configuration, shown side by side for the same samples.",
)
@plot_option("usage, thresholds and closings")
@output_option
def backtest(
    *,
    config: Path,
    past: Past,
    compare: Path | None,
    plot: Path | None,
    output: str,
) -> None:
    """Show what a configuration would have done in the past.

    Replays past samples through the same latches as `run`: when would each tier have closed, for
    how long, how long before etcd was full, and which outages would it have missed? With a run_cost
    room is replayed as well, if the samples have the runs that were created; all of them count as
    runs of the default tier.

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
    check_plot(plot)
    with interruptible():
        settings = load_settings(config)
        chosen = [(config.name, settings)]
        if compare is not None:
            label = compare.name if compare.name != config.name else str(compare)
            chosen.append((label, load_settings(compare)))
        # A recording has the runs too, for replays with a run_cost.
        with_runs = past.record is not None or any(one.plan().has_room for _, one in chosen)
        besides = runs.expressions(settings.plan()) if with_runs else {}
        samples = read_past(past, [one for _, one in chosen], besides)
        try:
            record_past(past, samples)
            plans = [one.plan() for _, one in chosen]
            if any(one.has_room and not can_compute_room(samples, one) for one in plans):
                say("these samples have no runs or no quota: run_cost is ignored")
            reports = [(name, _report(one, samples)) for name, one in chosen]
            if plot is not None:
                # An optional extra, and slow to import.
                from shield_evaluator.backtest.plot import draw  # noqa: PLC0415

                draw(plot, plans[0], samples.of(settings.expressions()), samples.grid, reports)
        except SamplesError as error:
            fail(str(error), EXIT_FAILED)
        _print(reports, output)


def _report(settings: EvaluatorSettings, samples: Samples) -> Report:
    plan = settings.plan()
    steps = replay(plan, settings.expressions(), samples)
    return report.build(plan, steps, samples.grid)


def _print(reports: list[tuple[str, Report]], output: str) -> None:
    if output == "json":
        echo_json(
            {"reports": [{"config": name, **msgspec.to_builtins(one)} for name, one in reports]}
        )
    else:
        echo_tables(tables.render(reports))
