"""The configuration file: defaults, and what is refused before anything starts."""

from pathlib import Path

import pytest

from shield_common.config.loader import SettingsError, load, parse
from shield_controller.settings import ControllerSettings

LEAST = 'cluster: rh01\nredis: {url: "redis://redis:6379/0"}\n'


def read(more: str = "") -> ControllerSettings:
    return parse(LEAST + more, ControllerSettings, source="controller.yaml", environment={})


def test_by_default_nothing_is_held_published_or_stopped() -> None:
    settings = read()

    assert not settings.hold.enabled
    assert not settings.publish.kubernetes
    assert settings.publish.config_map is None
    assert () == settings.kueue.cluster_queues
    assert not settings.leader_election.enabled


def test_the_example_is_valid() -> None:
    example = Path(__file__).parents[3] / "docs" / "examples" / "controller.yaml"

    assert load(example, ControllerSettings, environment={}).hold.enabled


def test_a_rate_is_written_with_its_unit() -> None:
    assert 2.0 == read("release: {max_rate: 120/m}").release.max_rate


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("release: {max_rate: 60}", "release.max_rate: must be a rate such as 60/m, not a number"),
        ("release: {max_rate: 60/d}", "release.max_rate: '60/d' is not a rate"),
        ("release: {max_rate: 0/s}", "release.max_rate: must be above 0"),
        ("hold: {max_age: 0s}", "hold.max_age: must be above 0s"),
        ("hold: {on_max_age: drop}", "hold.on_max_age: 'drop' is not one of cancel, keep, release"),
        ("interval: 100ms", "interval: must be at least 200ms and at most 1m"),
        ("interval: 5m", "interval: must be at least 200ms and at most 1m"),
        ("refresh: 0s", "refresh: must be above 0s"),
        (
            "publish: {decision: ../secrets}",
            "publish.decision: has characters that are not allowed here",
        ),
        ("kueue: {cluster_queues: [Upper]}", "kueue.cluster_queues[0]"),
        ("freshness: {stale_after: 5m}", "stale_after must be above 0s and below expired_after"),
        ("hold: {max_runs: 7}", "hold: unknown key `max_runs`"),
    ],
)
def test_a_bad_value_is_named_with_its_path(more: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(more)

    assert problem in str(caught.value)
