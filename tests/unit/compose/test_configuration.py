"""The files that docker-compose.yml mounts, as far as they can be read without their servers."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import load
from shield_evaluator.settings import EvaluatorSettings
from tests.compose.compose_file import ROOT, read

DIRECTORY = ROOT / "deploy" / "compose"
CHART_FILES = ROOT / "deploy" / "helm" / "etcd-shield" / "files"
DASHBOARDS = sorted((CHART_FILES / "dashboards").glob("*.json"))


def evaluator() -> EvaluatorSettings:
    return load(DIRECTORY / "evaluator" / "evaluator.yaml", EvaluatorSettings, environment={})


def admitter() -> AdmitterSettings:
    return load(DIRECTORY / "admitter" / "admitter.yaml", AdmitterSettings, environment={})


def provisioned(kind: str, file: str) -> dict[str, Any]:
    path = DIRECTORY / "grafana" / "provisioning" / kind / file
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def prometheus() -> dict[str, Any]:
    path = DIRECTORY / "prometheus" / "prometheus.yml"
    document: dict[str, Any] = yaml.safe_load(path.read_text())
    return document


def test_both_services_mean_the_same_cluster() -> None:
    assert evaluator().cluster == admitter().cluster


def test_every_tier_that_the_admitter_leads_to_is_decided_on() -> None:
    settings = admitter()
    named = {rule.tier for rule in settings.tiers} | {settings.default_tier}
    assert named <= evaluator().tiers.keys()


@pytest.mark.parametrize("settings", [evaluator, admitter], ids=["evaluator", "admitter"])
def test_redis_is_the_stacks_and_each_service_its_own_user(settings: Any) -> None:
    redis = settings().redis
    assert "redis://redis:6379/0" == redis.url
    assert settings.__name__ == redis.username
    assert f"/credentials/{settings.__name__}.password" == redis.password_file


def test_every_user_of_redis_is_confined_to_the_cluster() -> None:
    rules = (DIRECTORY / "redis" / "users.acl").read_text().splitlines()
    users = {rule.split()[1]: rule for rule in rules}
    assert {"default", "evaluator", "admitter", "operator"} == users.keys()
    for name in ("evaluator", "admitter"):
        assert f"etcd-shield:{{{evaluator().cluster}}}:" in users[name]


def test_prometheus_scrapes_only_what_the_stack_has() -> None:
    hosts = set()
    for job in prometheus()["scrape_configs"]:
        for config in job.get("static_configs", []):
            hosts |= {target.partition(":")[0] for target in config["targets"]}
        for config in job.get("dns_sd_configs", []):
            hosts |= set(config["names"])
    assert hosts - {"localhost"} <= read().services.keys()


def test_prometheus_looks_for_the_charts_rules_where_they_are_mounted() -> None:
    [rules] = prometheus()["rule_files"]
    assert (CHART_FILES / Path(rules).relative_to("/chart")).is_file()


def test_grafana_asks_the_stacks_prometheus() -> None:
    [source] = provisioned("datasources", "prometheus.yaml")["datasources"]
    assert "http://prometheus:9090" == source["url"]
    assert source["isDefault"] is True


def test_grafana_looks_for_the_charts_dashboards_where_they_are_mounted() -> None:
    [provider] = provisioned("dashboards", "etcd-shield.yaml")["providers"]
    directory = CHART_FILES / Path(provider["options"]["path"]).relative_to("/chart")
    assert DASHBOARDS == sorted(directory.glob("*.json"))
    assert DASHBOARDS


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_names_no_data_source_that_grafana_lacks(path: Path) -> None:
    [source] = provisioned("datasources", "prometheus.yaml")["datasources"]
    text = json.dumps(json.loads(path.read_text()))
    used = {
        part["datasource"]["uid"]
        for part in json.loads(text)["panels"]
        if isinstance(part.get("datasource"), dict)
    }
    # A variable: Grafana offers every Prometheus it has, and the default first.
    assert used <= {"${datasource}", source["uid"]}
