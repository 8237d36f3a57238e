"""Settings that a service refuses, the chart refuses too.

A running service keeps its old file when the new one is bad. If the chart took the values,
`helm upgrade` would succeed, nothing would change, and the next restart would fail.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_common.config.loader import SettingsError, load
from tests.helm.chart import CHART, IMAGES, Chart, RenderError, nested, overlaid
from tests.helm.test_every_example import SETTINGS

pytestmark = pytest.mark.shows("N3")

DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())
STANDARD = "evaluator.config.tiers.standard"
DB_FILE = f"{STANDARD}.db-file"
QUERY = "etcd_mvcc_db_total_size_in_bytes"
SIGNALS = [{"name": "db-file", "query": QUERY}, {"name": "db-in-use", "query": QUERY}]
TIERS = ("critical", "standard", "background")
NO_SET = {"set": None, "reset": None, "warn": None}
NO_BOUNDS = {**NO_SET, "run_cost": None}
RULE = {"tier": "critical", "users": ["a"]}
LATER = "2030-01-01T00:00:00Z"


def signal(**changes: Any) -> dict[str, Any]:
    """Return values in which the first signal differs."""
    first = {key: value for key, value in {**SIGNALS[0], **changes}.items() if value is not None}
    return nested("evaluator.config.signals", [first, SIGNALS[1]])


EVALUATOR: dict[str, dict[str, Any]] = {
    "warn above a lower set": nested(DB_FILE, {"set": 0.7, "reset": 0.6}),
    "warn above set": nested(DB_FILE, {"warn": 0.95}),
    "reset above set": nested(DB_FILE, {"reset": 0.95}),
    "reset equals set": nested(DB_FILE, {"reset": 0.9}),
    "reset of 0": nested(DB_FILE, {"reset": 0}),
    "negative reset": nested(DB_FILE, {"reset": -0.1}),
    "negative warn": nested(DB_FILE, {"warn": -0.1}),
    "set in percent": nested(DB_FILE, {"set": 90}),
    "set without reset": nested(f"{STANDARD}.db-file", {"reset": None}),
    "reset without set": nested(f"{STANDARD}.db-file", {"set": None}),
    "no thresholds of a query": nested(DB_FILE, {"set": None, "reset": None, "warn": None}),
    "tier without thresholds": nested(STANDARD, {"db-file": None, "db-in-use": None}),
    "default tier removed": nested(STANDARD, None),
    "unknown signal": nested(f"{STANDARD}.disk", {"set": 0.9, "reset": 0.8}),
    "unknown default tier": nested("evaluator.config.default_tier", "gold"),
    "huge set": {
        **signal(unit="number"),
        "evaluator": overlaid(
            signal(unit="number")["evaluator"], nested(DB_FILE, {"set": 1e19})["evaluator"]
        ),
    },
    "run cost of an alert": overlaid(signal(query=None, alert="Full"), nested(DB_FILE, NO_SET)),
    "run cost of a number": signal(unit="number"),
    "run cost too small": nested(DB_FILE, {"run_cost": "1000"}),
    "run cost too large": nested(DB_FILE, {"run_cost": "2Gi"}),
    "run cost of 0 bytes": nested(DB_FILE, {"run_cost": 0}),
    "no room below set": nested(DB_FILE, {"set": 0.02, "reset": 0.01, "warn": None}),
    "target above set": nested(DB_FILE, {"target": 0.95}),
    "target of 0": nested(DB_FILE, {"target": 0}),
    "target without a run cost": nested(DB_FILE, {"target": 0.8, "run_cost": None}),
    "spend without a run cost": nested(DB_FILE, {"spend": "1m", "run_cost": None}),
    "lag without a run cost": nested(DB_FILE, {"lag": "0s", "run_cost": None}),
    "spend of 0": nested(DB_FILE, {"spend": "0s"}),
    "grows_over of 0": nested(DB_FILE, {"grows_over": "0s"}),
    "reopen of 1": nested(DB_FILE, {"reopen": 1}),
    "member_label of an alert": signal(query=None, alert="Full", member_label="pod"),
    "quota of an alert": signal(query=None, alert="Full", quota="8Gi"),
    "quota of a number": signal(unit="number", quota="8Gi"),
    "quota with another unit": signal(quota="8GB"),
    "quota with a fraction": signal(quota="8.5Gi"),
    "quota of 0": signal(quota=0),
    "query and alert": signal(alert="Full"),
    "neither query nor alert": signal(query=None),
    "blank query": signal(query="  "),
    "members of an alert": signal(query=None, alert="Full", members=3),
    "blind at once": signal(blind_after="0s"),
    "a signal twice": nested("evaluator.config.signals", [*SIGNALS, SIGNALS[0]]),
    "interval too short": nested("evaluator.config.interval", "100ms"),
    "interval of 0": nested("evaluator.config.interval", "0"),
    "interval of years": nested("evaluator.config", {"interval": "9000h", "ttl": "18000h"}),
    "blind_after of 0": nested("evaluator.config.blind_after", "0s"),
    "timeout above interval": nested("evaluator.config.prometheus.timeout", "6s"),
    "timeout of 0": nested("evaluator.config.prometheus.timeout", "0s"),
    "lease shorter than two intervals": nested("evaluator.config.lease_ttl", "9s"),
    "ttl shorter than two intervals": nested("evaluator.config.ttl", "9s"),
    "longer interval, same lease": nested("evaluator.config.interval", "10s"),
    "status_url without a scheme": nested("evaluator.config.status_url", "shield.example.com"),
    "runbook_url with a space": nested("evaluator.config.runbook_url", "https://a b"),
    "two ways to log in": nested(
        "evaluator.config.prometheus",
        {"bearer_token_file": "/t", "basic_auth": {"username": "u", "password_file": "/p"}},
    ),
    "user with a colon": nested(
        "evaluator.config.prometheus.basic_auth", {"username": "a:b", "password_file": "/p"}
    ),
    "header of the client's own": nested("evaluator.config.prometheus.headers", {"Host": "x"}),
    "no header name": nested("evaluator.config.prometheus.headers", {"a b": "x"}),
    "header with a line break": nested("evaluator.config.prometheus.headers", {"X": "a\nb"}),
    **{
        f"Prometheus at {url}": nested("evaluator.config.prometheus.urls", [url])
        for url in (
            "prometheus:9090", "ftp://prometheus", "http://", "http:///path", "http://u:p@host",
            "http://host?x=1", "http://host#x", "http://host:port", "http://a..b",
        )
    },
}  # fmt: skip
ADMITTER: dict[str, dict[str, Any]] = {
    "rule that matches everything": nested("admitter.config.tiers", [{"tier": "critical"}]),
    "rule with empty lists": nested("admitter.config.tiers", [{"tier": "critical", "users": []}]),
    "exemption of everything": nested(
        "admitter.config.exemptions", [{"reason": "x", "expires": LATER}]
    ),
    "retry of everybody": nested("admitter.config.retry_after", [{"seconds": 5}]),
    **{
        f"exemption until {moment}": nested(
            "admitter.config.exemptions", [{"users": ["a"], "reason": "x", "expires": moment}]
        )
        for moment in ("2030-02-30T00:00:00Z", "2030-13-01T00:00:00Z", "2030-01-01T25:00:00Z",
                       "2030-01-01T00:00:00")
    },
    "mode of a tier without a rule": nested("admitter.config.tier_modes", {"critical": "audit"}),
    "stale_after of 0": nested("admitter.config.freshness.stale_after", "0s"),
    "stale after expired": nested("admitter.config.freshness.stale_after", "6m"),
    "refresh of 0": nested("admitter.config.refresh", "0s"),
    "max_body too small": nested("admitter.config.max_body", "63Ki"),
    "max_body too small, in bytes": nested("admitter.config.max_body", 65535),
    "drain of years": nested("admitter.config.drain", "9000h"),
    "link with a space": nested("admitter.config.denial.url", "https://a b"),
    "few connections": nested("admitter.config.max_connections", 8),
}  # fmt: skip
CONTROLLER: dict[str, dict[str, Any]] = {
    "releases too often": nested("controller.config.interval", "100ms"),
    "releases too rarely": nested("controller.config.interval", "2m"),
    "refresh of 0 by the controller": nested("controller.config.refresh", "0s"),
}
EXTERNAL: dict[str, dict[str, Any]] = {
    "redis timeout above 2s": {"url": "redis://r:6379/0", "timeout": "3s"},
    "redis timeout of 0": {"url": "redis://r:6379/0", "timeout": "0s"},
    "redis URL with options": {"url": "redis://r:6379/0?x=1"},
    "redis URL with a path": {"url": "redis://r:6379/zero"},
}


def file_of(service: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return the service's file as the chart would write it if it refused nothing."""
    merged = _without_nulls(overlaid(DEFAULTS, values))
    config = dict(merged[service]["config"])
    external = merged["externalRedis"] if "externalRedis" in values else {}
    redis = {"url": external.get("url", "redis://r:6379/0")}
    if "timeout" in external:
        redis["timeout"] = external["timeout"]
    config |= {"cluster": "x", "redis": redis}
    if service == "admitter":
        config["tls"] = {"cert_file": "/c", "key_file": "/k"}
    return config


def _without_nulls(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _without_nulls(child) for key, child in node.items() if child is not None}
    return node


CASES = [
    *(pytest.param("evaluator", values, id=name) for name, values in EVALUATOR.items()),
    *(pytest.param("admitter", values, id=name) for name, values in ADMITTER.items()),
    *(
        pytest.param("controller", {"publish": {"kubernetes": True}, **values}, id=name)
        for name, values in CONTROLLER.items()
    ),
    *(
        pytest.param("evaluator", {"redis": {"enabled": False}, "externalRedis": redis}, id=name)
        for name, redis in EXTERNAL.items()
    ),
]


@pytest.mark.parametrize(("service", "values"), CASES)
def test_the_service_refuses_it(tmp_path: Path, service: str, values: dict[str, Any]) -> None:
    """Otherwise the next test would say nothing."""
    file = tmp_path / "service.yaml"
    file.write_text(yaml.safe_dump(file_of(service, values)))
    with pytest.raises(SettingsError):
        load(file, SETTINGS[service], environment={})


@pytest.mark.parametrize(("service", "values"), CASES)
def test_the_chart_refuses_it(chart: Chart, service: str, values: dict[str, Any]) -> None:
    # Of the schema's own refusals, or a sentence that names the value.
    with pytest.raises(RenderError, match=rf"(at '/{service}|{service}\.config|externalRedis)"):
        chart.render(values)


@pytest.mark.parametrize(
    "values",
    [
        nested(DB_FILE, {"set": 0.7, "reset": 0.6, "warn": None}),
        nested(DB_FILE, {"set": 0.7, "reset": 0.6, "warn": 0.7}),
        nested(DB_FILE, {"set": 1, "reset": 0.9}),
        nested("evaluator.config", {"interval": "10s", "lease_ttl": "20s"}),
        nested("evaluator.config.prometheus.urls", ["http://[::1]:9090/path", "https://a.b"]),
        nested("admitter.config.max_body", 65536),
        nested(
            "admitter.config.exemptions",
            [{"users": ["a"], "reason": "x", "expires": "2028-02-29T23:59:59.5+01:00"}],
        ),
        overlaid(
            signal(query=None, alert="Full"),
            nested("evaluator.config.tiers", {tier: {"db-file": NO_BOUNDS} for tier in TIERS}),
        ),
        nested(DB_FILE, {"target": 0.5, "spend": "1m", "reopen": 2, "run_cost": 1048576}),
        signal(quota="8Gi", member_label="pod"),
        signal(quota=8589934592),
        signal(quota="max(quota_bytes)"),
    ],
    ids=["warn removed", "warn equals set", "set of 1", "longer lease", "URLs", "bytes",
         "a leap day", "an alert", "room", "a quota", "a quota in bytes", "a quota by query"],
)  # fmt: skip
def test_what_both_services_take_is_rendered(
    chart: Chart, tmp_path: Path, values: dict[str, Any]
) -> None:
    rendered = chart.render(IMAGES, values)
    for service in rendered.services():
        kind = SETTINGS[service]
        file = tmp_path / f"{service}.yaml"
        file.write_text(rendered.config(service))
        assert isinstance(load(file, kind, environment={}), kind)
