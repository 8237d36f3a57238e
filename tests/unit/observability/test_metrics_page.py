"""docs/metrics.md, and the properties of all metrics that it promises."""

import pytest
from prometheus_client import CollectorRegistry

from tools.metrics_doc import PAGE, admitter_registry, evaluator_registry, exposed, page

DESIGNED = {
    "evaluator": """allow tier_allow signal_value signal_state threshold latch_set transitions_total
        evaluations_total evaluation_duration_seconds last_evaluation_timestamp_seconds
        prometheus_errors_total publish_total lease_held override_active time_to_full_seconds
        alert_triggered config_reloads_total build_info""",
    "admitter": """allow admission_requests_total admission_duration_seconds admission_in_flight
        tier_allow decision_age_seconds decision_freshness decision_updates_total redis_up
        tls_certificate_not_after_timestamp_seconds connections config_reloads_total build_info""",
}
REGISTRIES = {"evaluator": evaluator_registry, "admitter": admitter_registry}
by_service = pytest.mark.parametrize("service", ["evaluator", "admitter"])


def registry(service: str) -> CollectorRegistry:
    return REGISTRIES[service]()


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == page(), "run `make generate`"


@by_service
def test_every_metric_of_the_design_is_exported(service: str) -> None:
    names = {metric.name.removeprefix("etcd_shield_") for metric in exposed(registry(service))}
    assert set() == set(DESIGNED[service].split()) - names


@by_service
def test_every_series_exists_from_the_start(service: str) -> None:
    empty = [family.name for family in registry(service).collect() if not family.samples]
    assert [] == empty


@by_service
def test_every_metric_says_in_a_sentence_what_it_is(service: str) -> None:
    assert [] == [metric.name for metric in exposed(registry(service)) if metric.text[-1] != "."]
