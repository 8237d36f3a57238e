"""A backtest replays room where the samples have the runs."""

import dataclasses

import pytest

from shield_evaluator.backtest import recording, report
from shield_evaluator.backtest.findings import Report
from shield_evaluator.backtest.replay import can_compute_room, replay
from shield_evaluator.backtest.samples import Samples
from shield_evaluator.core.plan import Plan
from shield_evaluator.simulate.scenarios import default_plan
from shield_evaluator.simulate.variants import with_run_cost
from tests.histories.etcd import GIB
from tests.histories.runs import MIB, Load, samples_with_runs

EXPRESSIONS = {"db-file": "file", "db-in-use": "in use"}
PLAN = default_plan()
PRICED = with_run_cost(PLAN, round(4.6 * MIB))
# A burst of 3 runs a second, half an hour after the begin, for 25 minutes.
BURST = Load(hours=3, rate=lambda hours: 3.0 if 0.5 <= hours < 0.92 else 0.2)


@pytest.fixture(scope="module")
def samples() -> Samples:
    """The burst, as it was without a shield."""
    return samples_with_runs(BURST, EXPRESSIONS)


def _report(plan: Plan, samples: Samples) -> Report:
    return report.build(plan, replay(plan, EXPRESSIONS, samples), samples.grid)


def _without_runs(samples: Samples) -> Samples:
    signals = [query for query in samples.queries if set(query.names) & set(EXPRESSIONS)]
    return dataclasses.replace(samples, queries=signals)


def test_room_closes_long_before_a_latch(samples: Samples) -> None:
    latches, room = (_report(plan, samples).tiers["standard"] for plan in (PLAN, PRICED))

    assert latches.closings[0].start > room.closings[0].start
    assert "etcd has no room" in room.closings[0].reason


def test_runs_that_would_have_been_refused_are_counted_in_the_default_tier(
    samples: Samples,
) -> None:
    tiers = _report(PRICED, samples).tiers

    assert (tiers["standard"].runs_denied or 0) > 0
    assert (tiers["standard"].runs_paced or 0) > 0
    assert tiers["critical"].runs_denied is None


def test_without_a_run_cost_the_runs_change_nothing(samples: Samples) -> None:
    with_runs = _report(PLAN, samples).tiers["standard"]
    without = _report(PLAN, _without_runs(samples)).tiers["standard"]

    assert with_runs.closings == without.closings
    assert with_runs.runs_paced is None


def test_without_the_runs_a_run_cost_changes_nothing(samples: Samples) -> None:
    old = _without_runs(samples)

    assert not can_compute_room(old, PRICED)
    assert _report(PLAN, old).tiers == _report(PRICED, old).tiers


def test_a_recording_keeps_the_runs(samples: Samples) -> None:
    again = recording.decode(recording.encode(samples))

    assert can_compute_room(again, PRICED)
    assert _report(PRICED, samples) == _report(PRICED, again)


def test_a_quota_of_the_configuration_counts_as_well(samples: Samples) -> None:
    signals = {
        name: dataclasses.replace(signal, quota=8 * GIB) for name, signal in PRICED.signals.items()
    }
    stated = dataclasses.replace(PRICED, signals=signals)
    queries = [query for query in samples.queries if "etcd quota" not in query.names]
    without_quota = dataclasses.replace(samples, queries=queries)

    assert not can_compute_room(without_quota, PRICED)
    assert _report(PRICED, samples).tiers == _report(stated, without_quota).tiers
