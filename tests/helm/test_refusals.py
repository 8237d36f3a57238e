"""Wrong values: refused by the schema with the path, or by a template with a sentence."""

from typing import Any

import pytest

from tests.helm.chart import Chart, RenderError, nested

RULE = {"tier": "critical", "users": ["a"]}
THRESHOLD = "evaluator.config.tiers.standard.db-file"


def refusal(chart: Chart, *values: dict[str, Any]) -> str:
    with pytest.raises(RenderError) as caught:
        chart.render(*values)
    return str(caught.value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("clutser", "prod"),
        ("cluster", "not a name"),
        ("cluster", ""),
        ("commonLabels.team", 7),
        ("commonLabels.team", "no spaces allowed"),
        ("platform", "eks"),
        ("evaluator.replicas", 3),
        ("evaluator.replicas", 0),
        ("evaluator.replicas", "1"),
        ("evaluator.image.pullPolicy", "Sometimes"),
        ("evaluator.image.digest", "sha256:abc"),
        ("evaluator.config.interval", 5),
        ("evaluator.config.interval", "5 s"),
        ("evaluator.config.intervall", "5s"),
        ("evaluator.config.cluster", "prod"),
        ("evaluator.config.redis", {"url": "redis://elsewhere"}),
        ("evaluator.config.signals", []),
        ("evaluator.config.on_blind", "panic"),
        ("evaluator.config.prometheus.urls", []),
        ("evaluator.config.prometheus.password", "x"),
        (f"{THRESHOLD}.set", "0.9"),
        (f"{THRESHOLD}.sett", 0.9),
        ("evaluator.resources", "small"),
        ("evaluator.serviceAccount.nmae", "x"),
        ("admitter.replicas", 0),
        ("admitter.config.mode", "block"),
        ("admitter.config.listen", ":9443"),
        ("admitter.config.tls", {"cert_file": "/x"}),
        ("admitter.config.tiers", [{"users": ["a"]}]),
        ("admitter.config.tiers", [{**RULE, "user": "b"}]),
        ("admitter.config.exemptions", [{"users": ["a"], "reason": "no end"}]),
        ("admitter.config.exemptions", [{"users": ["a"], "reason": "x", "expires": "tomorrow"}]),
        ("admitter.config.retry_after", [{"seconds": 0, "users": ["a"]}]),
        ("admitter.config.retry_after", [{"seconds": 301, "users": ["a"]}]),
        ("admitter.config.denial.code", 500),
        ("admitter.config.max_body", "lots"),
        ("admitter.config.freshness.on_unknown", "maybe"),
        ("admitter.preStopSeconds", -1),
        ("admitter.podDisruptionBudget.maxUnavailable", "half"),
        ("admitter.service.port", 70000),
        ("webhook.failurePolicy", "fail"),
        ("webhook.timeoutSeconds", 0),
        ("webhook.timeoutSeconds", 31),
        ("webhook.path", "/somewhere"),
        ("webhook.operations", ["PATCH"]),
        ("webhook.resources", [{"apiGroups": ["tekton.dev"], "resource": ["pipelineruns"]}]),
        ("webhook.matchConditions", [{"name": "x"}, {"expr": "true"}]),
        ("webhook.namespaceSelector.matchlabels", {"a": "b"}),
        ("webhook.tls.mode", "letsencrypt"),
        ("webhook.tls.certManager.issuerRef.kind", "Vault"),
        ("webhook.tls.existingSecret.caBundle", "bm90IHBlbQ=="),
        ("redis.maxmemory", "64mib"),
        ("redis.maxmemory", 0),
        ("redis.maxmemory", -1),
        ("redis.replicas", 3),
        ("externalRedis.url", "http://redis"),
        ("externalRedis.url", "redis://user:password@redis:6379/0"),
        ("externalRedis.sentinel.addresses", ["sentinel"]),
        ("metrics.port", 0),
        ("metrics.serviceMonitor.interval", "often"),
        ("alerts.disabled", "EtcdShieldRedisDown"),
        ("networkPolicy.prometheusPorts", ["http"]),
        ("extraObjects", {"apiVersion": "v1"}),
    ],
    ids=repr,
)
def test_a_wrong_value_is_refused_with_its_path(chart: Chart, path: str, value: object) -> None:
    said = refusal(chart, nested(path, value))
    parent, _, key = path.rpartition(".")
    # Of an unknown key the schema names the place where it stands.
    named = [path.replace(".", "/"), *([f"{parent.replace('.', '/')}'"] if parent else ["root"])]
    assert "don't meet the specifications of the schema" in said
    assert any(name in said for name in named) or key in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"externalRedis": {"url": "redis://r:6379/0"}}, "redis.enabled and externalRedis exclude"),
        ({"redis": {"enabled": False}}, "set externalRedis.url or externalRedis.urlSecret.name"),
        (
            {
                "redis": {"enabled": False},
                "externalRedis": {
                    "url": "redis://r:6379/0",
                    "tls": {"caSecretName": "ca"},
                },
            },
            "externalRedis.tls needs a rediss:// URL",
        ),
        (
            {
                "redis": {"enabled": False},
                "externalRedis": {"url": "redis://r:6379/0", "sentinel": {"master": "m"}},
            },
            "sentinel.addresses go together",
        ),
        (
            {
                "redis": {"enabled": False},
                "externalRedis": {
                    "url": "redis://r:6379/0",
                    "sentinel": {"master": "m", "addresses": ["s:26379"], "username": "shield"},
                },
            },
            "externalRedis.sentinel.username needs externalRedis.sentinel.passwordSecretName",
        ),
        (
            nested(THRESHOLD, {"set": 0.8, "reset": 0.8, "warn": None}),
            "tiers.standard.db-file: reset must be below set",
        ),
        (
            nested(THRESHOLD, {"set": 90, "reset": 0.8}),
            "tiers.standard.db-file: set is above 1: write 0.9 for 90%",
        ),
        (
            nested("evaluator.config.prometheus.urls", ["prometheus:9090"]),
            "prometheus.urls: each has to begin with http:// or https://",
        ),
        (
            nested("evaluator.config.tiers.standard.disk", {"set": 0.8, "reset": 0.7}),
            "tiers.standard.disk: evaluator.config.signals has no signal of that name",
        ),
        (nested("evaluator.config.default_tier", "gold"), "has no tier gold"),
        (
            nested("admitter.config.tiers", [{"tier": "gold", "users": ["a"]}]),
            "admitter.config.tiers: evaluator.config.tiers has no tier gold",
        ),
        (nested("evaluator.config.lease_ttl", "9s"), "lease_ttl must be at least twice"),
        (
            {
                "openshift": {"monitoring": {"enabled": True}},
                **nested("evaluator.config.prometheus.ca_file", "/x"),
            },
            "remove evaluator.config.prometheus.ca_file",
        ),
        (nested("admitter.port", 9100), "admitter.port and the port of metrics"),
        (
            nested("admitter.autoscaling", {"enabled": True, "minReplicas": 20}),
            "minReplicas must not be above maxReplicas",
        ),
        (
            nested("admitter.autoscaling", {"enabled": True, "targetCPUUtilizationPercentage": 0}),
            "autoscaling needs targetCPUUtilizationPercentage",
        ),
        (
            nested("admitter.podDisruptionBudget.minAvailable", 2),
            "minAvailable and maxUnavailable exclude each other",
        ),
        (
            nested("admitter.terminationGracePeriodSeconds", 18),
            "must be above preStopSeconds + config.drain + webhook.timeoutSeconds, which is 18",
        ),
        (nested("admitter.config.freshness.stale_after", "5m"), "must be below expired_after"),
        (nested("webhook.tls.mode", "existingSecret"), "set webhook.tls.existingSecret.name"),
        (
            nested("webhook.tls", {"mode": "existingSecret", "existingSecret": {"name": "x"}}),
            "set webhook.tls.existingSecret.caBundle",
        ),
        (
            nested("webhook.tls.existingSecret.name", "x"),
            "existingSecret is set, but webhook.tls.mode is selfSigned",
        ),
        (nested("webhook.tls.certManager.issuerRef.name", "x"), "mode is selfSigned"),
        (nested("webhook.clientCertificates.names", ["a"]), "needs webhook.clientCertificates"),
        (
            {"alerts": {"disabled": ["EtcdShieldFlapping", "EtcdShieldRedisIsDown"]}},
            "there is no alert EtcdShieldRedisIsDown. The alerts are EtcdShieldAdmitterDown, ",
        ),
        (
            {"metrics": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
            "would scrape everything twice",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "values",
)
def test_values_that_contradict_each_other_fail_with_a_sentence(
    chart: Chart, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(chart, values)
