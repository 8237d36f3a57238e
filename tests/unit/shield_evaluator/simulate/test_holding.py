"""The simulated queue of held runs."""

from datetime import UTC, datetime

import pytest

from shield_common.decision import Decision, TierDecision, TierHold
from shield_evaluator.simulate.clients import RunRequest
from shield_evaluator.simulate.holding import HeldQueues

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def held(*tiers: str, interval: int = 60) -> HeldQueues:
    """Return held runs, one after the other, of these tiers."""
    runs = HeldQueues(["critical", "standard"], interval=interval)
    for second, tier in enumerate(tiers):
        runs.hold(RunRequest(tier, second))
    return runs


def decision(
    *, allow: bool = True, room: float | None = None, share: float | None = None
) -> Decision:
    hold = TierHold(slots=100, share=25, held=1)
    tiers = {
        name: TierDecision(
            allow=allow, since=NOW, room=room, share=share, priority=priority, hold=hold
        )
        for priority, name in enumerate(["critical", "standard"])
    }
    return Decision(
        cluster="simulated", epoch=1, sequence=1, ttl_ms=1_000, evaluated_at=NOW, allow=allow,
        tiers=tiers, signals={}, admitters=4,
    )  # fmt: skip


def test_the_first_tier_goes_first_and_in_it_the_oldest() -> None:
    runs = held("standard", "critical", "standard", "critical")

    started = runs.release(decision(), 0)

    assert [1, 3, 0, 2] == [request.arrived for request in started]


@pytest.mark.parametrize(("room", "number"), [(0.9, 0), (2.5, 2), (None, 4)])
def test_no_more_runs_start_than_all_tiers_have_room_for(room: float | None, number: int) -> None:
    runs = held("standard", "critical", "standard", "critical")

    assert number == len(runs.release(decision(room=room), 0))


def test_a_closed_tier_releases_nothing() -> None:
    assert [] == held("standard").release(decision(allow=False), 0)


def test_no_more_runs_start_than_the_controller_s_rate_allows() -> None:
    runs = held(*["standard"] * 100, interval=5)

    assert [25, 25] == [len(runs.release(decision(), second)) for second in (0, 5)]


def test_no_more_runs_start_than_the_shares_that_a_decision_hands_out() -> None:
    runs = held(*["standard"] * 40)

    assert 10 == len(runs.release(decision(room=120.0, share=2.5), 0))


def test_the_report_says_how_many_are_held_and_were_held_since_ever() -> None:
    runs = held("standard", "standard", "critical")
    runs.release(decision(room=1.0), 10)

    report = runs.report(NOW).report

    assert report is not None
    critical, standard = report.tiers["critical"], report.tiers["standard"]
    assert (0, 1, 0.2) == (critical.held, critical.counted, critical.released_per_minute)
    assert (2, 2, 0.0) == (standard.held, standard.counted, standard.released_per_minute)
