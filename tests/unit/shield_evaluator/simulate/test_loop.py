"""One closed loop: who is admitted, paced or denied, and what is counted."""

import dataclasses
from typing import Any

from shield_evaluator.core.plan import Plan
from shield_evaluator.simulate.loop import simulate
from shield_evaluator.simulate.outcome import SimulationOutcome
from shield_evaluator.simulate.readings import readings_of
from shield_evaluator.simulate.scenarios import default_plan
from shield_evaluator.simulate.variants import (
    LATCHES,
    NOTHING,
    ROOM,
    only,
    simulate_variants,
    with_run_cost,
)
from shield_evaluator.simulate.world import MIB, MINUTE, Arrivals, EtcdModel, Watching, World

PLAN = only(default_plan(), ["standard"])
PRICED = with_run_cost(PLAN, round(4.6 * MIB))
FLOOD = World(seconds=20 * MINUTE, arrivals=Arrivals([(0, 4.0)]), etcd=EtcdModel(base=0.5))


def _run(world: World, plan: Plan, **options: Any) -> SimulationOutcome:
    return simulate(world, plan, readings_of(plan, {}), **options).outcome


def test_every_run_that_is_asked_for_is_accounted_for() -> None:
    tier = _run(FLOOD, PRICED).tiers["standard"]

    assert 4 * 20 * MINUTE == tier.arrived
    assert tier.arrived == tier.admitted + tier.lost + tier.waiting


def test_the_same_seed_gives_the_same_course_and_another_one_another() -> None:
    first, again = (simulate(FLOOD, PRICED, readings_of(PRICED, {})) for _ in range(2))
    other = simulate(dataclasses.replace(FLOOD, seed=2), PRICED, readings_of(PRICED, {}))

    assert first == again
    assert first != other


def test_without_a_shield_everything_is_admitted_until_etcd_is_full() -> None:
    outcome = _run(FLOOD, PRICED, shield=False)

    tier = outcome.tiers["standard"]
    assert outcome.outage_seconds is not None
    assert (tier.arrived, 0) == (tier.admitted, tier.denied + tier.paced)
    assert 1 <= outcome.peak_file


def test_room_paces_before_a_latch_closes() -> None:
    outcome = _run(FLOOD, PRICED)

    tier = outcome.tiers["standard"]
    assert outcome.outage_seconds is None
    assert 0 < tier.paced
    assert 0 == tier.closed_by_latch_seconds


def test_a_tier_without_metrics_closes_once_its_room_is_spent() -> None:
    blind = dataclasses.replace(FLOOD, watching=Watching(blind=((MINUTE, 20 * MINUTE),)))

    outcome = _run(blind, PRICED)

    assert outcome.outage_seconds is None
    assert 0 < outcome.tiers["standard"].closed_without_room_seconds


def test_more_admitters_admit_no_more_than_one_run_each_beyond_the_room() -> None:
    admitted = [
        _run(dataclasses.replace(FLOOD, watching=Watching(admitters=admitters)), PRICED)
        .tiers["standard"]
        .admitted
        for admitters in (1, 50)
    ]

    assert abs(admitted[0] - admitted[1]) <= 50


def test_runs_come_in_the_tiers_that_are_asked_for() -> None:
    plan = with_run_cost(default_plan(), round(4.6 * MIB))
    mixed = dataclasses.replace(FLOOD, tiers={"critical": 0.1, "background": 0.9})

    tiers = simulate_variants(mixed, plan, readings_of(plan, {}))[ROOM].outcome.tiers

    assert {"critical", "background"} == set(tiers)
    assert tiers["background"].lost > 0 == tiers["critical"].lost


def test_a_plan_is_compared_with_latches_alone_and_with_no_shield() -> None:
    variants = simulate_variants(FLOOD, PRICED, readings_of(PRICED, {}))

    outages = {name: one.outcome.outage_seconds is not None for name, one in variants.items()}
    assert {ROOM: False, LATCHES: True, NOTHING: True} == outages


def test_a_plan_without_run_cost_is_not_said_to_have_room() -> None:
    short = dataclasses.replace(FLOOD, seconds=MINUTE)

    assert [LATCHES, NOTHING] == list(simulate_variants(short, PLAN, readings_of(PLAN, {})))


def test_signals_are_known_by_the_metric_in_their_query() -> None:
    plan = only(default_plan(), ["standard"])
    signal, thresholds = plan.signals["db-file"], plan.tiers["standard"]
    renamed = dataclasses.replace(
        plan,
        signals={"size": signal, "live": signal, "disk": signal},
        tiers={"standard": {"size": thresholds["db-file"]}},
    )

    readings = readings_of(
        renamed,
        {
            "size": "etcd_mvcc_db_total_size_in_bytes / 8e9",
            "live": "max(etcd_mvcc_db_total_size_in_use_in_bytes) / 8e9",
            "disk": "node_filesystem_free_bytes / 1e9",
        },
    )

    base = readings_of(plan, {})
    assert {"size": base["db-file"], "live": base["db-in-use"]} == readings
