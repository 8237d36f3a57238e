"""Closings, outages, flaps and gaps, counted on courses short enough to check by hand."""

import pytest

from shield_evaluator.core.plan import OnBlind
from tests.unit.shield_evaluator.backtest.course import plan, reported


def test_a_closing_lasts_from_set_to_below_reset() -> None:
    tier = reported([0.5, 0.9, 0.85, 0.8, 0.79, 0.5]).tiers["standard"]
    assert [(180.0, False)] == [(c.seconds, c.end is None) for c in tier.closings]


def test_a_closing_says_why_and_its_peak() -> None:
    closing = reported([0.5, 0.91, 0.97, 0.5]).tiers["standard"].closings[0]
    assert ("etcd is at 91.0% of its quota", "db-file", 0.97, "member-0") == (
        closing.reason,
        closing.signal,
        closing.peak,
        closing.peak_member,
    )


def test_a_closing_at_the_end_lasts() -> None:
    tier = reported([0.5, 0.95, 0.95]).tiers["standard"]
    assert [None] == [closing.end for closing in tier.closings]
    assert 60.0 == tier.closed_seconds


def test_a_tier_that_starts_closed_is_closed_from_the_first_step() -> None:
    tier = reported([0.95, 0.95, 0.5]).tiers["standard"]
    assert 120.0 == tier.closed_seconds


@pytest.mark.parametrize(
    ("minutes_open", "flaps"), [(2, 1), (9, 1), (10, 0), (30, 0)], ids="after {}min".format
)
def test_a_closing_soon_after_the_last_is_a_flap(minutes_open: int, flaps: int) -> None:
    assert flaps == reported([0.95, *([0.5] * minutes_open), 0.95, 0.5]).tiers["standard"].flaps


def test_the_lead_counts_from_the_closing_to_the_quota() -> None:
    exposure = reported([0.5, 0.92, 0.95, 1.0, 0.5]).tiers["standard"].exposures[0]
    assert (120.0, False) == (exposure.lead_seconds, exposure.missed)


def test_closing_only_when_it_is_full_is_too_late() -> None:
    tier = reported([0.5, 1.0, 0.5]).tiers["standard"]
    assert 1 == tier.outages_missed


def test_an_outage_that_was_there_at_the_first_step_has_no_lead_and_is_not_missed() -> None:
    exposure = reported([1.01, 1.01, 0.5]).tiers["standard"].exposures[0]
    assert (None, False) == (exposure.lead_seconds, exposure.missed)


def test_minutes_open_while_full_are_counted() -> None:
    # Blind signals that admit are the way to be open at the quota.
    values = [0.5, 0.95, 1.0, *([None] * 8), 1.0, 0.5]
    tier = reported(values, by=plan(on_blind=OnBlind.ALLOW)).tiers["standard"]
    assert 240.0 == tier.open_at_quota_seconds
    assert 1 == tier.outages_missed


def test_an_outage_lasts_while_nothing_is_known() -> None:
    found = reported([0.95, 1.0, None, None, 0.9])
    assert [180.0] == [outage.seconds for outage in found.outages]


def test_a_partial_observation_does_not_end_an_outage() -> None:
    found = reported([0.95, 1.0, None, 0.7], [0.5, 0.5, 0.5, 0.5], by=plan(members=2))
    assert [120.0] == [outage.seconds for outage in found.outages]


def test_a_short_gap_is_held() -> None:
    found = reported([0.95, None, None, 0.95])
    assert [("missing", 120.0, "latches held")] == [
        (gap.kind, gap.seconds, gap.treatment) for gap in found.gaps
    ]


def test_a_missing_member_is_a_partial_gap() -> None:
    found = reported([0.5, None, 0.5], [0.4, 0.4, 0.4], by=plan(members=2))
    assert [("partial", "1 of 2 members answered")] == [
        (gap.kind, gap.problem) for gap in found.gaps
    ]


@pytest.mark.parametrize(
    ("on_blind", "told"),
    [(OnBlind.HOLD, "still held"), (OnBlind.DENY, "then denied"), (OnBlind.ALLOW, "then admitted")],
)
def test_a_long_gap_says_what_blindness_did(on_blind: OnBlind, told: str) -> None:
    found = reported([0.5, *([None] * 7), 0.5], by=plan(on_blind=on_blind))
    assert told in found.gaps[0].treatment


def test_the_highest_value_is_shown_with_its_member() -> None:
    signal = reported([0.5, 0.6, 0.5], [0.5, 0.7, 0.5]).signals["db-file"]
    assert (0.7, "member-1") == (signal.highest, signal.highest_member)


def test_gaps_beyond_the_first_thousand_are_counted_but_not_kept() -> None:
    found = reported([0.5, None] * 1_500)
    assert (1_000, 500) == (len(found.gaps), found.gaps_left_out)
