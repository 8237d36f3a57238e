"""The controller's series: there from the start, and bounded whatever users write into labels."""

from prometheus_client import CollectorRegistry

from shield_common.config.types import Duration
from shield_common.decision_age import CachedDecision
from shield_common.decision_feed import FreshnessSettings
from shield_common.held import HeldReport, TierReport
from shield_controller.metrics import MAX_TIERS, OTHER_TIER, Metrics
from tests.unit.shield_controller.builders import NOON, decision, feed, settings, tier


def metrics() -> Metrics:
    return Metrics(settings())


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def report(**tiers: int) -> HeldReport:
    return HeldReport(
        reported_at=NOON,
        tiers={name: TierReport(held=number, oldest_seconds=7.0) for name, number in tiers.items()},
    )


def test_the_tiers_of_a_decision_have_series_before_anything_is_held() -> None:
    shown = metrics()
    shown.create_tier_series(decision(standard=tier(), critical=tier()))

    assert 0 == value(shown.registry, "etcd_shield_held_runs", tier="critical")
    assert 0 == value(shown.registry, "etcd_shield_released_total", tier="standard", result="stuck")


def test_a_tier_that_holds_nothing_any_more_shows_zero() -> None:
    shown = metrics()
    shown.show(report(standard=3))
    shown.show(report())

    assert 0 == value(shown.registry, "etcd_shield_held_runs", tier="standard")
    assert 0 == value(shown.registry, "etcd_shield_oldest_held_seconds", tier="standard")


def test_labels_that_users_invent_do_not_make_series_without_end() -> None:
    shown = metrics()
    shown.create_tier_series(decision(standard=tier()))
    shown.show(report(**{f"invented-{number}": 1 for number in range(500)}))

    series = [
        sample
        for family in shown.registry.collect()
        for sample in family.samples
        if "etcd_shield_held_runs" == sample.name
    ]
    assert MAX_TIERS + 1 >= len(series)
    assert 500 == sum(sample.value for sample in series)
    assert (value(shown.registry, "etcd_shield_held_runs", tier=OTHER_TIER) or 0) > 400


def test_without_holding_nothing_says_that_held_runs_are_unwatched() -> None:
    watched = value(metrics().registry, "etcd_shield_held_runs_watched")

    assert watched is not None
    assert watched != watched  # noqa: PLR0124 - NaN


def test_an_age_that_was_changed_meanwhile_ends_a_decision_in_the_metrics_too() -> None:
    shown = metrics()
    followed = feed(lambda: 61_000)
    followed.cached = CachedDecision(decision(), 0)
    shown.read_from(feed=followed, is_leader=lambda: True, is_watching=None)
    assert 1 == value(shown.registry, "etcd_shield_decision_in_force")

    short = FreshnessSettings(stale_after=Duration(30), expired_after=Duration(60))
    followed.apply_settings(short.limits(), refresh=5.0)

    assert 0 == value(shown.registry, "etcd_shield_decision_in_force")
