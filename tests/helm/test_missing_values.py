"""Values that are null, missing or of an odd kind: a sentence, never a template's error."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Chart, RenderError, nested
from tests.helm.kubernetes_schemas import KubernetesSchemas

pytestmark = pytest.mark.shows("trial T24")

REQUIRED: dict[str, str] = json.loads((CHART / "files" / "required-values.json").read_text())
# Maps whose keys are the user's, and what Kubernetes checks.
SECTIONS = sorted({path.rpartition(".")[0] for path in REQUIRED} - {""})


def refusal(chart: Chart, values: dict[str, Any]) -> str:
    with pytest.raises(RenderError) as caught:
        chart.render(values)
    return str(caught.value)


@pytest.mark.parametrize("path", SECTIONS)
def test_a_section_that_is_null_is_refused_with_a_sentence(chart: Chart, path: str) -> None:
    said = refusal(chart, nested(path, None))
    assert f"{path} is missing or null. Leave it out" in said
    assert "nil pointer" not in said


@pytest.mark.parametrize(
    "path",
    ["cluster", "redis.maxmemory", "webhook.timeoutSeconds", "evaluator.config.interval",
     "admitter.config.freshness.expired_after", "metrics.port", "redis.image.tag"],
)  # fmt: skip
def test_a_value_that_is_null_is_refused_with_its_default(chart: Chart, path: str) -> None:
    said = refusal(chart, nested(path, None))
    assert path in said
    assert "nil pointer" not in said


def _optional(node: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, child in node.items():
        here = f"{path}.{key}" if path else key
        if here not in REQUIRED:
            yield here
        elif isinstance(child, dict):
            yield from _optional(child, here)


def test_every_other_value_may_be_null(chart: Chart, schemas: Path) -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    # Needed by the rest of these values.
    kept = {
        "image", "evaluator.config.tiers", "redis.image.tag",
        "admitter.podDisruptionBudget.maxUnavailable",
    }  # fmt: skip
    changes: dict[str, Any] = {}
    for path in _optional(defaults):
        if not any(path == k or path.startswith(f"{k}.") for k in kept):
            _put(changes, path.split("."))
    rendered = chart.render(changes)
    kubernetes = KubernetesSchemas(schemas, "v1.36.3")
    assert [] == [problem for o in rendered.objects for problem in kubernetes.problems(o)]


def _put(target: dict[str, Any], keys: list[str]) -> None:
    for key in keys[:-1]:
        target = target.setdefault(key, {})
    target[keys[-1]] = None


def test_values_of_an_older_chart_are_refused_with_the_option_that_helps(chart: Chart) -> None:
    said = refusal(chart, {"priorityClassQuota": None, "generateSecrets": None})
    assert "--reset-then-reuse-values" in said


@pytest.mark.parametrize("path", ["redis", "webhook.tls", "admitter.config", "metrics", "alerts"])
@pytest.mark.parametrize("value", ["", [], False, 0, "text"], ids=repr)
def test_a_section_that_is_no_map_is_refused_with_its_path(
    chart: Chart, path: str, value: object
) -> None:
    said = refusal(chart, nested(path, value))
    assert f"at '/{path.replace('.', '/')}': got" in said


@pytest.mark.parametrize(
    "path", ["imagePullSecrets", "evaluator.config.signals", "admitter.config.tiers",
             "webhook.resources", "extraObjects", "admitter.tolerations"],
)  # fmt: skip
def test_a_list_with_nothing_in_an_entry_is_refused_with_its_place(chart: Chart, path: str) -> None:
    said = refusal(chart, nested(path, [None]))
    assert f"at '/{path.replace('.', '/')}/0': got null" in said


@pytest.mark.parametrize(
    ("given", "bytes_"),
    [(33554432, 33554432), ("32mb", 33554432), ("32Mi", 33554432), ("32M", 32000000),
     ("33554432", 33554432), (90000000, 90000000)],
    ids=["bytes", "mb", "Mi", "M", "bytes as text", "many bytes"],
)  # fmt: skip
def test_redis_memory_is_written_in_bytes(chart: Chart, given: object, bytes_: int) -> None:
    rendered = chart.render(nested("redis.maxmemory", given))
    lines = rendered.one("ConfigMap", "etcd-shield-redis")["data"]["redis.conf"].splitlines()
    assert f"maxmemory {bytes_}" in lines


@pytest.mark.parametrize(
    ("maxmemory", "limit"),
    [("512mb", "128Mi"), ("97Mi", "128Mi"), (134217728, "128Mi"), ("64Mi", "64M"),
     ("64Mi", 67108864), ("1gb", "1Gi"), ("64Mi", "0.05Gi")],
)  # fmt: skip
def test_redis_memory_that_the_limit_does_not_hold_is_refused(
    chart: Chart, maxmemory: object, limit: object
) -> None:
    redis = {"maxmemory": maxmemory, "resources": {"limits": {"memory": limit}}}
    said = refusal(chart, {"redis": redis})
    assert "is above three quarters of redis.resources.limits.memory" in said


@pytest.mark.parametrize(
    "redis",
    [
        {"maxmemory": "96Mi"},
        {"maxmemory": "512mb", "resources": {"limits": {"memory": "1Gi"}}},
        {"maxmemory": "512mb", "resources": {"limits": {"memory": None}}},
        {"maxmemory": "512mb", "resources": None},
    ],
    ids=["as much as fits", "a higher limit", "no limit", "no resources"],
)
def test_redis_memory_that_the_limit_holds_is_taken(chart: Chart, redis: dict[str, Any]) -> None:
    assert chart.render({"redis": redis}).of("StatefulSet")


@pytest.mark.parametrize(
    ("size", "written"),
    [(8388608, 8388608), ("8388608", "8388608"), ("4Mi", "4Mi")],
    ids=["number", "text", "suffix"],
)
def test_a_size_may_be_a_number_of_bytes(chart: Chart, size: object, written: object) -> None:
    rendered = chart.render(nested("admitter.config.max_body", size))
    assert written == yaml.safe_load(rendered.config("admitter"))["max_body"]


def test_large_numbers_are_written_in_full(chart: Chart) -> None:
    values = {
        "redis": {"runAsUser": 1000650000, "persistence": {"enabled": True, "size": 1073741824}},
        "evaluator": {
            "config": {
                "signals": [
                    {"name": "runs", "query": "count(x)", "unit": "number"},
                ],
                "tiers": {
                    "critical": None,
                    "background": None,
                    "standard": {
                        "db-file": None,
                        "db-in-use": None,
                        "runs": {"set": 2000000, "reset": 1000000},
                    },
                },
            }
        },
    }
    text = chart.template(values)
    assert "e+0" not in text
    assert "runAsUser: 1000650000" in text
    assert 'storage: "1073741824"' in text


def test_two_long_releases_that_begin_alike_share_no_object(chart: Chart) -> None:
    releases = [f"{'a' * 45}-{end}" for end in ("one", "two")]
    names = [
        {(o["kind"], o["metadata"]["name"]) for o in chart.render(release=release).objects}
        for release in releases
    ]
    assert set() == names[0] & names[1]
    assert [] == [name for _, name in names[0] | names[1] if len(name) > 104]


@pytest.mark.parametrize("key", ["nameOverride", "fullnameOverride"])
def test_two_long_overrides_that_begin_alike_give_two_names(chart: Chart, key: str) -> None:
    names = [
        chart.render({key: f"{'a' * 45}-{end}"}).one("StatefulSet")["metadata"]["name"]
        for end in ("one", "two")
    ]
    assert names[0] != names[1]
    assert max(map(len, names)) <= 50


def test_a_short_release_keeps_its_names(chart: Chart) -> None:
    names = [o["metadata"]["name"] for o in chart.render(release="prod").of("Deployment")]
    assert {"prod-etcd-shield-admitter", "prod-etcd-shield-evaluator"} == set(names)


def test_a_release_with_a_dot_gives_names_that_services_may_have(chart: Chart) -> None:
    names = [o["metadata"]["name"] for o in chart.render(release="a.b").of("Service")]
    assert [] == [name for name in names if "." in name]


def test_a_release_that_begins_with_a_digit_is_refused_with_the_way_out(chart: Chart) -> None:
    with pytest.raises(RenderError, match="set fullnameOverride"):
        chart.render(release="7eleven")


def _named(word: str) -> dict[str, Any]:
    """Return values in which everything that can have a name has this one."""
    pods = {"priorityClassName": word, "runtimeClassName": word, "image": {"tag": word}}
    account = {"serviceAccount": {"name": word}}
    return {
        "namespaceOverride": word,
        "nameOverride": word,
        "fullnameOverride": "shield",
        "imagePullSecrets": [{"name": word}],
        "evaluator": {**pods, **account, "prometheusSecret": word},
        "admitter": {**pods, **account},
        "controller": {**pods, **account},
        "redis": {
            **pods,
            "auth": {"existingSecret": word},
            "persistence": {"enabled": True, "storageClassName": word},
        },
        "hold": {"enabled": True},
        "publish": {"kubernetes": True, "decision": word, "configMap": word},
        "webhook": {"clientCertificates": {"caConfigMap": word, "caKey": word, "names": [word]}},
        "openshift": {"monitoring": {"enabled": True, "clusterRole": word, "platformScrape": True}},
        "metrics": {"serviceMonitor": {"enabled": True, "namespace": word, "jobLabel": word}},
        "alerts": {"enabled": True},
        "dashboards": {"enabled": True, "namespace": word},
    }


def _behind_sentinel(word: str) -> dict[str, Any]:
    """Return values of an external Redis in which everything has this name."""
    keys = {f"{user}PasswordKey": word for user in ("evaluator", "admitter")}
    return {
        "fullnameOverride": "shield",
        "redis": {"enabled": False},
        "externalRedis": {
            "url": "rediss://redis.example.com:6379/0",
            "auth": {"secretName": word, "evaluatorUsername": word, **keys},
            "tls": {"caSecretName": word, "caKey": word, "clientSecretName": word},
            "sentinel": {
                "master": word,
                "addresses": ["sentinel:26379"],
                "username": word,
                "passwordSecretName": word,
                "passwordKey": word,
            },
        },
    }


@pytest.mark.parametrize("word", ["123", "true", "null", "1e3"])
@pytest.mark.parametrize("values", [_named, _behind_sentinel])
def test_a_name_that_looks_like_another_type_stays_a_name(
    chart: Chart, schemas: Path, values: Callable[[str], dict[str, Any]], word: str
) -> None:
    rendered = chart.render(values(word), release=word)
    kubernetes = KubernetesSchemas(schemas, "v1.36.3")
    assert [] == [problem for o in rendered.objects for problem in kubernetes.problems(o)]
    labels = [o["metadata"]["labels"]["app.kubernetes.io/instance"] for o in rendered.objects]
    assert {word} == set(labels)


@pytest.mark.shows("trial T14")
def test_a_sentinel_s_user_is_passed_on(chart: Chart) -> None:
    config = chart.render(_behind_sentinel("shield")).one("ConfigMap", "shield-admitter")["data"]
    sentinel = yaml.safe_load(config["admitter.yaml"])["redis"]["sentinel"]
    assert "shield" == sentinel["username"]
