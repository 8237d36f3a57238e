"""What the default configuration makes of each history of tests/histories."""

from pathlib import Path

import pytest

from shield_common.config.loader import load
from shield_evaluator.backtest import report
from shield_evaluator.backtest.findings import Report
from shield_evaluator.backtest.replay import replay
from shield_evaluator.settings import EvaluatorSettings
from tests.histories.library import HISTORIES, History
from tests.histories.samples import BEGIN_MS, samples_of

DEFAULTS = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"
TIERS = ("critical", "standard", "background")
# A step is 30 s; the courses' key points are a few minutes apart where it matters.
TOLERANCE_SECONDS = 15 * 60


@pytest.fixture(scope="module")
def settings() -> EvaluatorSettings:
    return load(DEFAULTS, EvaluatorSettings, environment={})


@pytest.fixture(scope="module", params=HISTORIES, ids=lambda history: history.name)
def story(request: pytest.FixtureRequest, settings: EvaluatorSettings) -> tuple[History, Report]:
    history: History = request.param
    expressions = dict(settings.expressions())
    samples = samples_of(history.course, expressions)
    plan = settings.plan()
    return history, report.build(plan, replay(plan, expressions, samples), samples.grid)


@pytest.mark.parametrize("tier", TIERS)
def test_no_outage_is_missed(story: tuple[History, Report], tier: str) -> None:
    _, found = story
    assert 0 == found.tiers[tier].outages_missed
    assert 0 == found.tiers[tier].open_at_quota_seconds


@pytest.mark.parametrize("tier", TIERS)
def test_no_tier_flaps_in_any_history(story: tuple[History, Report], tier: str) -> None:
    _, found = story
    assert 0 == found.tiers[tier].flaps


def test_every_outage_is_seen(story: tuple[History, Report]) -> None:
    history, found = story
    assert history.outages == len(found.outages)


def test_standard_closes_once_per_need(story: tuple[History, Report]) -> None:
    history, found = story
    assert len(history.need) == len(found.tiers["standard"].closings)


def test_standard_is_closed_when_needed_and_no_longer(story: tuple[History, Report]) -> None:
    history, found = story
    hours = [
        ((c.start.timestamp() - BEGIN_MS / 1000) / 3600, c.seconds / 3600)
        for c in found.tiers["standard"].closings
    ]
    closed = [(start, start + length) for start, length in hours]
    slack = TOLERANCE_SECONDS / 3600
    for need, actual in zip(history.need, closed, strict=True):
        assert pytest.approx(need, abs=slack) == actual


def test_a_lower_tier_is_never_open_while_a_higher_one_is_closed(
    story: tuple[History, Report],
) -> None:
    _, found = story
    closed = [found.tiers[tier].closed_seconds for tier in TIERS]
    assert sorted(closed) == closed
