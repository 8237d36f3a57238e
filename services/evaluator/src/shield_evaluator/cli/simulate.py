"""``shield-evaluator simulate``: what etcd does under a configuration while runs arrive."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED
from shield_evaluator.backtest.samples import SamplesError
from shield_evaluator.cli.simulated_world import (
    ALL,
    changed,
    phases,
    recorded,
    world_options,
)
from shield_evaluator.cli.terminal import (
    check_plot,
    console,
    echo_json,
    fail,
    interruptible,
    load_settings,
    output_option,
    plot_option,
    say,
)
from shield_evaluator.cli.values import SIZE
from shield_evaluator.simulate import tables
from shield_evaluator.simulate.readings import readings_of
from shield_evaluator.simulate.scenarios import SCENARIOS, default_plan
from shield_evaluator.simulate.variants import (
    HOLDING,
    simulate_variants,
    slots_needed,
    with_holding,
    with_run_cost,
)
from shield_evaluator.table_style import cell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.simulate.outcome import Simulated, SimulationOutcome
    from shield_evaluator.simulate.readings import Reading
    from shield_evaluator.simulate.world import World

_SCENARIOS: Final = "\n".join(f"  {one.name:26} {one.story}" for one in SCENARIOS)


@dataclasses.dataclass(frozen=True, slots=True)
class _Configuration:
    """What is tried.

    Attributes:
        plan: its signals and tiers.
        readings: what the signals read of etcd.
        interval: seconds between two cycles; None for the world's own.
    """

    plan: Plan
    readings: Mapping[str, Reading]
    interval: int | None


@click.command(epilog=f"\b\nScenarios:\n{_SCENARIOS}")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration to try.  [the examples' thresholds, with the right run cost]",
)
@world_options
@click.option(
    "--run-cost",
    type=SIZE,
    metavar="SIZE",
    help="Try this run_cost in every tier, whatever the configuration has.",
)
@click.option(
    "--hold",
    type=click.IntRange(min=1, max=100_000),
    metavar="RUNS",
    help="Hold at most this many runs instead of refusing them.  [as the configuration]",
)
@plot_option("etcd's usage and the runs")
@output_option
def simulate(
    *,
    config: Path | None,
    run_cost: int | None,
    hold: int | None,
    plot: Path | None,
    output: str,
    **options: Any,  # noqa: ANN401 - the values of `world_options`, for `simulated_world`
) -> None:
    """Show what etcd does under a configuration while runs arrive.

    Clients create runs, and the shield admits or refuses them. Admitted runs write to etcd for
    minutes, and are compacted and pruned. Clients of refused runs try again. The shield is the
    evaluator's own latches and room with the admitters' own pacing, on a simulated clock. The
    result is shown beside the same runs without room (latches alone) and without a shield, and
    where runs are held, beside those without holding.

    \b
    Examples:
      shield-evaluator simulate --scenario burst-8-per-second --plot burst.png
      shield-evaluator simulate --config evaluator.yaml --scenario all
      shield-evaluator simulate --config evaluator.yaml --rate 3/s --for 20m --in-use 40%
      shield-evaluator simulate --rate 3/s --for 20m --run-writes 8Mi --run-cost 4Mi
      shield-evaluator simulate --config evaluator.yaml --arrivals week.json --in-use 30%

    Square brackets show defaults.

    Exit codes: 0 simulated, also if etcd became full, 1 a file cannot be read or written, 2 bad
    configuration or usage, 130 interrupted.
    """  # noqa: D301 - click's mark for lines to keep is a backspace
    check_plot(plot)
    with interruptible():
        try:
            worlds = _worlds(options)
            chosen = _configuration(config, run_cost, worlds)
            if hold is not None:
                plan = with_holding(chosen.plan, hold)
                chosen = dataclasses.replace(chosen, plan=plan)
            worlds = {name: _watched(world, chosen) for name, world in worlds.items()}
            results = {
                name: simulate_variants(world, chosen.plan, chosen.readings)
                for name, world in worlds.items()
            }
            needed = {
                name: slots_needed(worlds[name], chosen.plan, chosen.readings)
                for name, variants in results.items()
                if HOLDING in variants and variants[HOLDING].outcome.lost
            }
        except ValueError as error:
            fail(str(error), EXIT_BAD_CONFIG)
        except SamplesError as error:
            fail(str(error), EXIT_FAILED)
        if plot is not None:
            if len(results) > 1:
                fail("--plot draws one scenario, not all of them", EXIT_BAD_CONFIG)
            ((name, variants),) = results.items()
            _draw(plot, name, chosen.plan, variants)
        outcomes = {
            name: {variant: one.outcome for variant, one in variants.items()}
            for name, variants in results.items()
        }
        _print(outcomes, needed, output, chosen.plan, next(iter(worlds.values())))


def _worlds(options: Mapping[str, Any]) -> dict[str, World]:
    """Return the worlds to simulate, by name."""
    scenario, rates, lengths = options["scenario"], options["rates"], options["lengths"]
    file: Path | None = options["arrivals"]
    phased = bool(rates or lengths)
    if [scenario is not None, phased, file is not None].count(True) != 1:
        raise ValueError("give one of --scenario, --rate with --for, --arrivals")
    if file is not None:
        return {file.name: changed(recorded(file), options)}
    if phased:
        world = phases(rates, lengths, options["usual_rate"], options["before"], options["after"])
        text = ", then ".join(
            f"{rate:g}/s for {length / 60:g}m" for rate, length in zip(rates, lengths, strict=True)
        )
        return {text: changed(world, options)}
    return {
        one.name: changed(one.world, options) for one in SCENARIOS if scenario in {ALL, one.name}
    }


def _configuration(
    path: Path | None, run_cost: int | None, worlds: Mapping[str, World]
) -> _Configuration:
    if path is None:
        plan, interval = default_plan(), None
        run_cost = run_cost or next(iter(worlds.values())).run.cost
        readings = readings_of(plan, {})
    else:
        settings = load_settings(path)
        plan = settings.plan()
        interval = max(1, math.ceil(settings.interval))
        readings = readings_of(plan, settings.expressions())
    unread = [name for name in plan.signals if name not in readings]
    if unread:
        say(f"signal {', '.join(unread)} reads nothing of a simulated etcd: it never closes a tier")
    if run_cost is not None:
        plan = with_run_cost(plan, run_cost)
    for world in worlds.values():
        unknown = [tier for tier in world.tiers if tier not in plan.tiers]
        if unknown:
            raise ValueError(f"--tier: there is no tier {unknown[0]!r}")
    if not plan.has_room:
        say("no tier has a run_cost: without room. --run-cost tries one")
    return _Configuration(plan, readings, interval)


def _watched(world: World, chosen: _Configuration) -> World:
    """Return a world that is watched as often as the configuration says."""
    if chosen.interval is None:
        return world
    watching = dataclasses.replace(world.watching, interval=chosen.interval)
    return dataclasses.replace(world, watching=watching)


def _draw(path: Path, name: str, plan: Plan, variants: Mapping[str, Simulated]) -> None:
    # An optional extra, and slow to import.
    from shield_evaluator.simulate.plot import draw  # noqa: PLC0415

    try:
        draw(path, f"etcd-shield simulation: {name}", plan, variants)
    except SamplesError as error:
        fail(str(error), EXIT_FAILED)


def _print(
    results: Mapping[str, Mapping[str, SimulationOutcome]],
    needed: Mapping[str, int | None],
    output: str,
    plan: Plan,
    world: World,
) -> None:
    if output == "json":
        echo_json(
            {
                "simulations": [
                    {
                        "name": name,
                        "variants": msgspec.to_builtins(variants),
                        **({"max_runs_needed": needed[name]} if name in needed else {}),
                    }
                    for name, variants in results.items()
                ]
            }
        )
        return
    terminal = console()
    if len(results) == 1:
        ((name, variants),) = results.items()
        terminal.print(cell(name))
        parts = tables.render(variants)
    else:
        parts = tables.render_all(list(results.items()))
    for part in [*parts, *tables.render_slots(results, needed)]:
        terminal.print(part)
    terminal.print(cell(_costs(plan, world), "dim"))


def _costs(plan: Plan, world: World) -> str:
    """Return a sentence on what runs cost, and what the configuration takes them to cost."""
    costs = sorted(
        {t.room.run_cost for tier in plan.tiers.values() for t in tier.values() if t.room}
    )
    right = f"A simulated run writes {world.run.cost / 1024**2:.1f} MiB"
    if not costs:
        return f"{right}."
    taken = ", ".join(f"{cost / 1024**2:.1f}" for cost in costs)
    return f"{right}; run_cost is {taken} MiB."
