"""Redis, Prometheus, Grafana, OpenShift and the network."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import (
    CHART,
    EXAMPLES,
    NAMESPACE,
    Chart,
    Object,
    Rendered,
    RenderError,
    nested,
)

MONITORING = nested("openshift.monitoring.enabled", value=True)


def acl(rendered: Rendered) -> dict[str, str]:
    lines = rendered.one("ConfigMap", "etcd-shield-redis")["data"]["users.acl"].splitlines()
    return {line.split()[1]: line for line in lines}


@pytest.mark.shows("trial S12", "N2")
@pytest.mark.parametrize("line", ["maxmemory-policy noeviction", "protected-mode no"])
def test_redis_never_evicts_and_answers_pods_whatever_the_image_s_defaults(
    plain: Rendered, line: str
) -> None:
    conf = plain.one("ConfigMap", "etcd-shield-redis")["data"]["redis.conf"]
    assert line in conf.splitlines()


def test_an_admitter_reads_the_decision_and_adds_to_the_counts_alone(plain: Rendered) -> None:
    words = set(acl(plain)["admitter"].split())
    keys = {word for word in words if "~" in word or word == "allkeys"}
    assert {"%R~etcd-shield:{default}:decision", "~etcd-shield:{default}:admitted"} == keys
    allowed = {word for word in words if word.startswith("+")}
    assert {"+hincrby"} == allowed - {
        "+auth", "+hello", "+select", "+ping", "+get", "+pttl", "+subscribe", "+unsubscribe",
    }  # fmt: skip


def test_without_a_login_redis_answers_pings_alone(plain: Rendered) -> None:
    assert "user default on nopass resetkeys resetchannels -@all +ping" == acl(plain)["default"]


@pytest.mark.parametrize("service", ["evaluator", "admitter"])
def test_a_pod_sees_its_own_password_alone(plain: Rendered, service: str) -> None:
    volume = next(v for v in plain.pod(service)["volumes"] if "redis" == v["name"])
    (source,) = volume["projected"]["sources"]
    assert [{"key": f"{service}-password", "path": "password"}] == source["secret"]["items"]


def test_with_an_external_redis_none_is_installed(chart: Chart) -> None:
    external = {"redis": {"enabled": False}, "externalRedis": {"url": "redis://r:6379/0"}}
    assert [] == chart.render(external).of("StatefulSet")


def test_openshift_monitoring_is_one_switch(chart: Chart) -> None:
    rendered = chart.render(MONITORING)
    asked = yaml.safe_load(rendered.config("evaluator"))["prometheus"]
    assert {
        "urls": ["https://thanos-querier.openshift-monitoring.svc:9091"],
        "bearer_token_file": "/var/run/etcd-shield/openshift/token",
        "ca_file": "/var/run/etcd-shield/openshift/service-ca.crt",
    } == asked
    assert "cluster-monitoring-view" == rendered.one("ClusterRoleBinding")["roleRef"]["name"]


def test_the_token_for_thanos_is_a_projected_one(chart: Chart) -> None:
    volumes = chart.render(MONITORING).pod("evaluator")["volumes"]
    sources = next(v for v in volumes if "openshift" == v["name"])["projected"]["sources"]
    assert {"path": "token", "expirationSeconds": 3600} == sources[0]["serviceAccountToken"]


def test_by_default_nothing_needs_rights(plain: Rendered) -> None:
    kinds = {o["kind"] for o in plain.objects}
    assert set() == kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"}


def policy(rendered: Rendered, component: str) -> Object:
    return rendered.one("NetworkPolicy", f"etcd-shield-{component}")


def test_the_webhooks_port_is_open_to_the_api_server(plain: Rendered) -> None:
    # The API server is no pod: a rule with `from` pods or namespaces would lock it out.
    open_ports = [
        port["port"]
        for rule in policy(plain, "admitter")["spec"]["ingress"]
        if "from" not in rule
        for port in rule["ports"]
    ]
    assert {10250, 9100} == set(open_ports)


def test_only_the_services_reach_redis(plain: Rendered) -> None:
    (rule,) = policy(plain, "redis")["spec"]["ingress"]
    allowed = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]
    }
    assert {"evaluator", "admitter"} == allowed


def test_restricted_egress_still_reaches_dns_redis_and_prometheus(chart: Chart) -> None:
    values = {
        "restrictEgress": True,
        "prometheusTo": [{"namespaceSelector": {}}],
        "prometheusPorts": [9090],
    }
    egress = policy(chart.render({"networkPolicy": values}), "evaluator")["spec"]["egress"]
    dns, redis, prometheus = egress
    assert 53 == dns["ports"][0]["port"]
    assert 6379 == redis["ports"][0]["port"]
    assert {
        "to": [{"namespaceSelector": {}}],
        "ports": [{"port": 9090, "protocol": "TCP"}],
    } == prometheus


def _ports(node: Any) -> Iterator[object]:
    if isinstance(node, dict):
        if "port" in node:
            yield node["port"]
        for child in node.values():
            yield from _ports(child)
    elif isinstance(node, list):
        for child in node:
            yield from _ports(child)


@pytest.mark.shows("trial T19")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_network_policies_name_ports_by_number(chart: Chart, example: Path) -> None:
    policies = chart.render(example, images=False).of("NetworkPolicy")
    assert {int} >= {type(port) for policy in policies for port in _ports(policy["spec"])}


@pytest.mark.parametrize("component", ["evaluator", "admitter", "redis"])
@pytest.mark.parametrize(
    "values",
    [
        {},
        nested("admitter.port", 9443),
        nested("metrics.port", 9200),
        nested("admitter.hostNetwork", value=True),
        nested("admitter", {"hostNetwork": True, "metricsPort": 9300}),
    ],
    ids=["defaults", "webhook", "metrics", "hostNetwork", "hostNetwork and metrics"],
)
def test_a_policy_opens_every_port_of_its_container(
    chart: Chart, component: str, values: dict[str, Any]
) -> None:
    rendered = chart.render(values)
    opened = {
        port["port"]
        for rule in policy(rendered, component)["spec"]["ingress"]
        for port in rule["ports"]
    }
    assert {port["containerPort"] for port in rendered.container(component)["ports"]} == opened


def test_admitters_on_the_node_s_network_reach_redis(chart: Chart) -> None:
    rendered = chart.render(nested("admitter.hostNetwork", value=True))
    (rule,) = policy(rendered, "redis")["spec"]["ingress"]
    assert "from" not in rule


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_both_services_are_scraped(chart: Chart, kind: str) -> None:
    monitors = chart.render(nested(f"metrics.{kind}.enabled", value=True)).of(
        kind[0].upper() + kind[1:]
    )
    assert ["etcd-shield-evaluator", "etcd-shield-admitter"] == [
        m["metadata"]["name"] for m in monitors
    ]
    assert {NAMESPACE} == {
        n for m in monitors for n in m["spec"]["namespaceSelector"]["matchNames"]
    }


def rules(rendered: Rendered) -> dict[str, Object]:
    groups = rendered.one("PrometheusRule")["spec"]["groups"]
    return {rule["alert"]: rule for g in groups for rule in g["rules"] if "alert" in rule}


def without_runbooks(found: dict[str, Object]) -> dict[str, Object]:
    """Leave out the links, which point nowhere until `alerts.runbookUrl` says where to."""
    return {
        name: {
            **rule,
            "annotations": {k: v for k, v in rule["annotations"].items() if "runbook_url" != k},
        }
        for name, rule in found.items()
    }


def test_the_alerts_are_those_of_the_file(chart: Chart) -> None:
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    written = {r["alert"]: r for g in file["groups"] for r in g["rules"] if "alert" in r}
    rendered = rules(chart.render(nested("alerts.enabled", value=True)))
    assert without_runbooks(written) == without_runbooks(rendered)


def test_a_disabled_alert_is_left_out(chart: Chart) -> None:
    alerts = {"enabled": True, "disabled": ["EtcdShieldRedisDown"]}
    whole = rules(chart.render(nested("alerts.enabled", value=True)))
    assert whole.keys() - {"EtcdShieldRedisDown"} == rules(chart.render({"alerts": alerts})).keys()


def test_every_alert_gets_the_additional_labels(chart: Chart) -> None:
    alerts = {"enabled": True, "additionalRuleLabels": {"team": "platform"}}
    found = rules(chart.render({"alerts": alerts}))
    assert {"platform"} == {rule["labels"]["team"] for rule in found.values()}


def test_every_dashboard_is_a_labelled_config_map(chart: Chart) -> None:
    rendered = chart.render(nested("dashboards.enabled", value=True))
    found = [o for o in rendered.of("ConfigMap") if "grafana_dashboard" in o["metadata"]["labels"]]
    files = {path.name: path for path in CHART.glob("files/dashboards/*.json")}
    data = {name: text for o in found for name, text in o["data"].items()}
    assert {name: json.loads(p.read_text()) for name, p in files.items()} == {
        name: json.loads(text) for name, text in data.items()
    }


@pytest.mark.shows("trial T22")
def test_openshift_s_console_gets_dashboards_that_it_shows(chart: Chart) -> None:
    rendered = chart.render(CHART / "ci" / "openshift-values.yaml")
    label = "console.openshift.io/dashboard"
    found = [o for o in rendered.of("ConfigMap") if label in o["metadata"]["labels"]]
    assert {"openshift-config-managed"} == {o["metadata"]["namespace"] for o in found}
    files = {path.name: path for path in CHART.glob("files/console-dashboards/*.json")}
    assert {name: json.loads(p.read_text()) for name, p in files.items()} == {
        name: json.loads(text) for o in found for name, text in o["data"].items()
    }


@pytest.mark.shows("trial T22")
def test_grafana_s_dashboards_are_refused_for_openshift_s_console(chart: Chart) -> None:
    dashboards = {"enabled": True, "labels": {"console.openshift.io/dashboard": "true"}}
    with pytest.raises(RenderError, match=r"set dashboards\.variant=openshift-console"):
        chart.render({"dashboards": dashboards})


def test_extra_objects_are_templates(chart: Chart) -> None:
    extra = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "x"},
        "data": {"at": "{{ .Release.Namespace }}"},
    }
    rendered = chart.render({"extraObjects": [extra]})
    assert {"at": NAMESPACE} == rendered.one("ConfigMap", "x")["data"]
