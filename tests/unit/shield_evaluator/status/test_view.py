"""What the status page says."""

from dataclasses import replace

import pytest

from shield_evaluator.status.page import render
from shield_evaluator.status.view import view_of
from tests.unit.shield_evaluator.page_scenes import (
    RUNBOOK,
    SCENES,
    denying,
    kinds,
    overridden,
    scene,
    seen,
)
from tests.unit.shield_evaluator.status.reading import Reader, text_of


@pytest.mark.parametrize(
    ("name", "headline"),
    [
        ("admitting", "Admitting every tier"),
        ("denying", "Denying tiers standard, background"),
        ("blind", "Denying tier background"),
        ("overridden", "Denying tier background"),
        ("starting", "No decision yet"),
        ("hostile", "Denying every tier"),
        ("standby", "Denying tiers standard, background"),
        ("kinds", "Denying tier standard"),
        ("room", "Admitting every tier"),
        ("no room", "Denying tiers standard, background"),
        ("withheld", "Decision withheld"),
    ],
)
def test_the_headline_says_what_the_shield_does(name: str, headline: str) -> None:
    assert headline == view_of(SCENES[name]()).headline


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("blind", "Signal db-file is blind. No samples."),
        ("overridden", "Overridden: tier standard admits until 12:23:00Z (22m 58s left)."),
        ("starting", "The evaluator has not finished its first cycle."),
        ("standby", "This evaluator is a standby. What follows is the writer's last decision."),
        ("kinds", "Alert EtcdFull is firing."),
        ("withheld", "Signals give no values, and no earlier state is stored."),
        ("withheld", "Signal db-file is unusable. connection: refused."),
        ("withheld", "Find out why Prometheus has no samples."),
    ],
)
def test_the_page_says_why(name: str, words: str) -> None:
    assert words in text_of(SCENES[name]())


@pytest.mark.parametrize(
    "words",
    [
        pytest.param("✕ Denying since 11:48:00Z, for 12m", id="since when"),
        pytest.param("etcd is at 93.4% of its quota.", id="why"),
        pytest.param("Until db-file is below 80% .", id="until what"),
        pytest.param("Worst member: 10.0.0.3:2379. 3 of 3 members answered.", id="members"),
        pytest.param("the quota is reached in 14m", id="time to full"),
        pytest.param("held by this evaluator", id="lease"),
        pytest.param("2s old, epoch 7, sequence 4211", id="decision"),
        pytest.param("11:29:00Z background denying etcd is at 85.1% of its quota", id="changes"),
        pytest.param("Defragment etcd", id="what to do"),
    ],
)
def test_a_denial_is_explained_with(words: str) -> None:
    assert words in text_of(denying())


def test_a_tier_waits_for_every_signal_whose_latch_is_set() -> None:
    snapshot = scene({"db-file": seen(0.95), "db-in-use": seen(0.9)})
    assert "Until db-file is below 80% and db-in-use is below 75%" in text_of(snapshot)


def test_a_tier_denied_by_an_alert_waits_for_the_end_of_the_alert() -> None:
    assert "Until alert EtcdFull stops ." in text_of(kinds())


def test_a_standby_without_a_decision_says_whose_decision_is_missing() -> None:
    standby = SCENES["standby"]()
    assert standby.result is not None
    without = replace(standby, result=replace(standby.result, decision=None))
    brief = "Another evaluator is the writer and has published no decision."
    assert brief == view_of(without).brief


def test_an_alert_shows_no_thresholds() -> None:
    assert "EtcdFull firing - - - set" in text_of(kinds())


def test_a_number_is_not_shown_as_a_percentage() -> None:
    assert "pending 37 30 50 10 reset" in text_of(kinds())


def test_a_missing_member_is_mentioned_once() -> None:
    assert 1 == text_of(kinds()).count("2 of 3 members answered")


def test_an_override_names_its_reason_and_its_author() -> None:
    words = "“release of 4.19 must finish, etcd is being defragmented”, by carol at 11:53:00Z."
    assert words in text_of(overridden())


def test_the_default_tier_comes_first() -> None:
    names = [tier.name for tier in view_of(denying()).tiers]
    assert ["standard", "critical", "background"] == names


def test_a_redis_that_does_not_answer_is_the_first_notice() -> None:
    first = view_of(replace(denying(), redis_problem="connection refused")).notices[0]
    assert "Redis does not answer." == first.title


def test_a_bad_configuration_file_is_a_notice() -> None:
    text = text_of(replace(denying(), config_problem="tiers: unknown key"))
    assert "The configuration file is not in force. tiers: unknown key" in text


def test_advice_links_to_sections_of_the_runbook() -> None:
    links = [str(link["href"]) for link in Reader(render(denying())).all("a")]
    assert [f"{RUNBOOK}#etcdshielddefragwouldhelp", f"{RUNBOOK}#break-glass"] == links[:2]
