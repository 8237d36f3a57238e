"""The closed loop: what the default configuration makes of every scenario of the library."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from shield_common.allowance import DEFAULT_MAX_RATE
from shield_evaluator.core.plan import Plan
from shield_evaluator.settings import DEFAULT_SLOTS
from shield_evaluator.simulate.loop import simulate
from shield_evaluator.simulate.outcome import SimulationOutcome, TierOutcome
from shield_evaluator.simulate.readings import readings_of
from shield_evaluator.simulate.scenarios import SCENARIOS, default_plan
from shield_evaluator.simulate.variants import only, with_holding, with_run_cost
from shield_evaluator.simulate.world import HOUR, RunModel

CHART = Path(__file__).parents[4] / "deploy" / "helm" / "etcd-shield" / "values.yaml"
RIGHT = RunModel().cost
LATCHES = only(default_plan(), ["standard"])
# Long scenarios have slow floods: a cycle every 15 s shows the same, and the test is quick.
LONG_HOURS = 4
LONG_INTERVAL = 15


def _outcomes(plan: Plan) -> dict[str, SimulationOutcome]:
    readings = readings_of(plan, {})
    found = {}
    for scenario in SCENARIOS:
        world = scenario.world
        if world.seconds >= LONG_HOURS * HOUR:
            watching = dataclasses.replace(world.watching, interval=LONG_INTERVAL)
            world = dataclasses.replace(world, watching=watching)
        found[scenario.name] = simulate(world, plan, readings).outcome
    return found


def _holding(run_cost: int) -> dict[str, SimulationOutcome]:
    """Return the outcomes with as many slots as the chart has."""
    return _outcomes(with_holding(with_run_cost(LATCHES, run_cost), DEFAULT_SLOTS))


def _outages(outcomes: Mapping[str, SimulationOutcome]) -> dict[str, int]:
    return {
        name: outcome.outage_seconds
        for name, outcome in outcomes.items()
        if outcome.outage_seconds is not None
    }


def _standard(outcomes: Mapping[str, SimulationOutcome]) -> list[TierOutcome]:
    return [outcome.tiers["standard"] for outcome in outcomes.values()]


def test_with_the_right_run_cost_etcd_never_fills_and_latches_hardly_close() -> None:
    outcomes = _outcomes(with_run_cost(LATCHES, RIGHT))

    assert {} == _outages(outcomes)
    assert 30 * 60 >= sum(tier.closed_by_latch_seconds for tier in _standard(outcomes))
    assert 0 == sum(tier.flaps for tier in _standard(outcomes))


@pytest.mark.parametrize("factor", [0.5, 2], ids=["half", "double"])
def test_b7_with_a_run_cost_that_is_wrong_by_two_etcd_never_fills(factor: float) -> None:
    outcomes = _outcomes(with_run_cost(LATCHES, round(factor * RIGHT)))

    assert {} == _outages(outcomes)
    assert 0 == sum(tier.flaps for tier in _standard(outcomes))
    assert 0 == sum(tier.closed_by_latch_seconds for tier in _standard(outcomes))


def test_with_holding_no_run_is_lost_no_tier_flaps_and_etcd_never_fills() -> None:
    """S1, B7, with the slots and the rate of the chart."""
    outcomes = _holding(RIGHT)

    assert {} == _outages(outcomes)
    assert dict.fromkeys(outcomes, 0) == {name: outcome.lost for name, outcome in outcomes.items()}
    assert dict.fromkeys(outcomes, 0) == {
        name: outcome.tiers["standard"].flaps for name, outcome in outcomes.items()
    }
    assert 30 * 60 >= sum(tier.closed_by_latch_seconds for tier in _standard(outcomes))
    assert all(
        tier.arrived == tier.admitted + tier.waiting and tier.denied == tier.paced == 0
        for tier in _standard(outcomes)
    )


def test_the_chart_has_the_slots_and_the_rate_that_the_scenarios_are_tried_with() -> None:
    values = yaml.safe_load(CHART.read_text())

    assert DEFAULT_SLOTS == values["hold"]["maxRuns"]
    assert f"{60 * DEFAULT_MAX_RATE:g}/m" == values["release"]["maxRate"]


def test_b7_with_holding_and_half_the_run_cost_no_run_is_lost_and_no_tier_flaps() -> None:
    outcomes = _holding(RIGHT // 2)

    assert {} == _outages(outcomes)
    assert dict.fromkeys(outcomes, 0) == {name: outcome.lost for name, outcome in outcomes.items()}
    assert 0 == sum(tier.closed_by_latch_seconds for tier in _standard(outcomes))
    assert 0 == sum(tier.flaps for tier in _standard(outcomes))


def test_b7_with_holding_and_double_the_run_cost_only_twelve_hours_use_up_the_slots() -> None:
    outcomes = _holding(2 * RIGHT)

    assert {} == _outages(outcomes)
    assert {"twelve-hours-1-per-second"} == {n for n, outcome in outcomes.items() if outcome.lost}
    assert 0 == sum(tier.closed_by_latch_seconds for tier in _standard(outcomes))
    assert 0 == sum(tier.flaps for tier in _standard(outcomes))


def test_runs_beyond_the_slots_are_refused_and_lost_again() -> None:
    burst = next(one for one in SCENARIOS if one.name == "burst-8-per-second")
    plan = with_holding(with_run_cost(LATCHES, RIGHT), 500)

    tier = simulate(burst.world, plan, readings_of(plan, {})).outcome.tiers["standard"]

    assert 500 <= tier.held
    assert 0 < tier.lost


def test_a_run_cost_of_a_quarter_is_learned_in_time() -> None:
    assert {} == _outages(_outcomes(with_run_cost(LATCHES, round(RIGHT / 4))))


def test_a_quiet_day_is_left_alone_even_with_twice_the_run_cost() -> None:
    quiet = next(one for one in SCENARIOS if one.name == "quiet-day")
    plan = with_run_cost(LATCHES, 2 * RIGHT)

    tier = simulate(quiet.world, plan, readings_of(plan, {})).outcome.tiers["standard"]

    assert (tier.arrived, 0, 0, 0) == (tier.admitted, tier.lost, tier.denied, tier.paced)


def test_latches_alone_end_in_an_outage_in_most_bursts() -> None:
    outages = _outages(_outcomes(LATCHES))

    assert 4 <= len(outages)
    assert "quiet-day" not in outages
