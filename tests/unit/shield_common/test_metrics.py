"""Metrics of a service: their names, and which series exist from the start."""

import pytest
from prometheus_client import generate_latest

from shield_common.metrics import ServiceMetrics


@pytest.fixture
def metrics() -> ServiceMetrics:
    return ServiceMetrics("shield-common")


def exposition(metrics: ServiceMetrics) -> list[str]:
    return generate_latest(metrics.registry).decode().splitlines()


def test_every_combination_of_known_label_values_exists_at_once(metrics: ServiceMetrics) -> None:
    metrics.counter("updates", "Updates.", {"source": ("get", "push"), "result": ("ok", "bad")})
    lines = exposition(metrics)
    for source in ("get", "push"):
        for result in ("ok", "bad"):
            series = f'etcd_shield_updates_total{{result="{result}",source="{source}"}} 0.0'
            assert series in lines


def test_a_metric_without_labels_exists_at_once(metrics: ServiceMetrics) -> None:
    metrics.gauge("lease_held", "1 while held.")
    assert "etcd_shield_lease_held 0.0" in exposition(metrics)


def test_a_label_without_known_values_begins_without_series(metrics: ServiceMetrics) -> None:
    metrics.gauge("tier_allow", "1 while the tier admits.", {"tier": ()})
    assert [] == [line for line in exposition(metrics) if line.startswith("etcd_shield_tier_allow")]


def test_a_histogram_has_the_given_buckets(metrics: ServiceMetrics) -> None:
    metrics.histogram("duration_seconds", "How long.", buckets=(0.5, 1.0))
    assert 'etcd_shield_duration_seconds_bucket{le="0.5"} 0.0' in exposition(metrics)


@pytest.mark.parametrize(
    "series",
    [
        'etcd_shield_config_reloads_total{result="failure"} 0.0',
        "etcd_shield_log_dropped_total ",
        'etcd_shield_build_info{version="',
        "process_resident_memory_bytes ",
    ],
)
def test_every_service_exports(metrics: ServiceMetrics, series: str) -> None:
    assert any(line.startswith(series) for line in exposition(metrics))
