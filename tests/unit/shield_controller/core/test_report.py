"""The report of held runs."""

from shield_common.held import MAX_NAMESPACES, HeldReport
from shield_controller.core.report import held_report
from shield_controller.core.runs import HeldRun
from tests.unit.shield_controller.builders import NOON, run


def report(*runs: HeldRun, counted: dict[str, int] | None = None) -> HeldReport:
    return held_report(
        runs,
        now=NOON,
        is_stuck=lambda uid: uid == "uid-stuck",
        per_minute=lambda _tier: 12.0,
        counted=counted or {},
    )


def test_a_tier_has_its_number_and_the_age_of_its_oldest_run() -> None:
    made = report(run("one", age=312), run("stuck", age=9), counted={"standard": 1234})

    tier = made.tiers["standard"]
    assert (2, 312.0, 1, 12.0, 1234) == (
        tier.held,
        tier.oldest_seconds,
        tier.stuck,
        tier.released_per_minute,
        tier.counted,
    )


def test_a_tier_that_holds_nothing_tells_what_was_counted() -> None:
    made = report(counted={"critical": 5})

    assert (0, 5) == (made.tiers["critical"].held, made.tiers["critical"].counted)


def test_a_run_from_the_future_has_no_negative_age() -> None:
    assert 0.0 == report(run(age=-60)).tiers["standard"].oldest_seconds


def test_namespaces_come_with_most_runs_first() -> None:
    made = report(run("a"), run("b", namespace="team-b"), run("c", namespace="team-b", age=7))

    assert [("team-b", 2, 7.0), ("team-a", 1, 0.0)] == [
        (place.namespace, place.held, place.oldest_seconds) for place in made.namespaces
    ]


def test_no_more_namespaces_are_listed_than_the_report_may_have() -> None:
    made = report(*(run(f"r{number}", namespace=f"team-{number}") for number in range(150)))

    assert MAX_NAMESPACES == len(made.namespaces)
    assert 150 == made.tiers["standard"].held
