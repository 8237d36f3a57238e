"""A calibration finds the truth in histories whose truth is known, or says that it cannot."""

import dataclasses

import pytest

from shield_evaluator.backtest.runs import count_runs
from shield_evaluator.backtest.samples import Samples
from shield_evaluator.calibrate.fit import Calibration, CannotTellError, fit
from shield_evaluator.calibrate.history import history_of
from tests.histories.runs import MIB, Load, daily, none, samples_with_runs, steady

EXPRESSIONS = {"db-file": "file", "db-in-use": "in use"}
DAY = Load(hours=24)


def _calibrate(samples: Samples) -> Calibration:
    runs = count_runs(samples)
    assert runs is not None
    in_use = samples.of(EXPRESSIONS)["db-in-use"]
    return fit(history_of(in_use.series, DAY.quota, runs, samples.grid)).calibration


def _of(load: Load) -> Calibration:
    return _calibrate(samples_with_runs(load, EXPRESSIONS))


LOADS = {
    "a-day": DAY,
    "eight-hours": dataclasses.replace(DAY, hours=8),
    "small-and-short": dataclasses.replace(DAY, cost=0.3 * MIB, lasts=300),
    "large-and-long": dataclasses.replace(
        DAY, hours=48, cost=20 * MIB, lasts=1200, rate=lambda hours: daily(hours) / 5
    ),
    "durations-vary": dataclasses.replace(DAY, spread=0.6),
    "noise": dataclasses.replace(DAY, noise=5 * MIB),
    "scraped-every-minute": dataclasses.replace(DAY, scrape=2),
    "much-else-is-written": dataclasses.replace(DAY, other=500 * 1024),
    "nothing-is-left": dataclasses.replace(DAY, leaves=0.0),
    "always-the-same-rate": dataclasses.replace(DAY, rate=steady),
}


@pytest.mark.parametrize("load", LOADS.values(), ids=LOADS.keys())
def test_the_run_cost_is_found_to_five_percent(load: Load) -> None:
    found = _of(load)

    assert pytest.approx(load.cost, rel=0.05) == found.run_cost
    assert found.run_cost_interval.low <= found.run_cost <= found.run_cost_interval.high


@pytest.mark.parametrize("minutes", [5, 10, 15, 20])
def test_the_time_over_which_runs_write_is_found(minutes: int) -> None:
    found = _of(dataclasses.replace(DAY, lasts=60 * minutes))

    assert found.grows_over_seconds is not None
    assert pytest.approx(60 * minutes, rel=0.25) == found.grows_over_seconds


def test_what_is_written_besides_is_not_blamed_on_runs() -> None:
    found = _of(dataclasses.replace(DAY, other=500 * 1024))

    assert pytest.approx(500 * 1024, rel=0.1) == found.other_growth


def test_the_same_history_gives_the_same_answer() -> None:
    short = dataclasses.replace(DAY, hours=8)

    assert _of(short) == _of(short)


@pytest.mark.parametrize(
    ("load", "why"),
    [
        (dataclasses.replace(DAY, rate=none), "only 0 runs were created"),
        (dataclasses.replace(DAY, hours=2), "too short"),
        (dataclasses.replace(DAY, hours=0.1, rate=lambda _: 3.0), "too short a time"),
        (
            dataclasses.replace(DAY, hours=12, rate=lambda _: 0.01, noise=60 * MIB),
            "do not explain etcd's growth|fall between compactions",
        ),
        (dataclasses.replace(DAY, noise=40 * MIB), "too noisy"),
    ],
    ids=["no-runs", "two-hours", "six-minutes", "few-runs-in-noise", "more-noise-than-runs"],
)
def test_a_history_that_does_not_tell_is_said_not_to(load: Load, why: str) -> None:
    with pytest.raises(CannotTellError, match=why):
        _of(load)


def test_runs_that_write_nothing_are_not_given_a_cost() -> None:
    with pytest.raises(CannotTellError, match="do not explain"):
        _of(dataclasses.replace(DAY, cost=0.0, other=500 * 1024, noise=2 * MIB))


def test_restarts_of_the_api_server_lose_no_runs() -> None:
    samples = samples_with_runs(DAY, EXPRESSIONS)
    (created,) = next(q for q in samples.queries if "runs created" in q.names).series
    whole = count_runs(samples)
    at = len(created.values) // 2
    for step in range(at, len(created.values)):
        created.values[step] -= created.values[at - 1]

    restarted = count_runs(samples)

    assert whole is not None
    assert restarted is not None
    assert whole.runs == restarted.runs


@pytest.mark.parametrize("names", [("db-in-use", "runs created"), ("runs created",)])
def test_a_gap_around_a_burst_does_not_mislead(names: tuple[str, ...]) -> None:
    samples = samples_with_runs(DAY, EXPRESSIONS)
    for query in samples.queries:
        if set(query.names) & set(names):
            for series in query.series:
                series.present[9 * 120 : 15 * 120] = bytes(6 * 120)

    assert pytest.approx(DAY.cost, rel=0.01) == _calibrate(samples).run_cost


def test_members_that_come_and_go_do_not_mislead() -> None:
    samples = samples_with_runs(DAY, EXPRESSIONS)
    in_use = samples.of(EXPRESSIONS)["db-in-use"].series
    third = len(in_use[0].values) // 3
    for number, series in enumerate(in_use):
        series.present[number * third : (number + 1) * third] = bytes(third)

    assert pytest.approx(DAY.cost, rel=0.05) == _calibrate(samples).run_cost
