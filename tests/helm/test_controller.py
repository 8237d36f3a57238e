"""The controller's objects: when it is deployed, its rights, its file, and holding."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_common.config.loader import load
from shield_controller.kubernetes.access import needed_rights
from shield_controller.settings import ControllerSettings
from tests.helm.chart import NAMESPACE, Chart, Object, Rendered, RenderError, nested
from tests.helm.test_surroundings import acl
from tools.release.versions import version

HOLD: dict[str, Any] = {"hold": {"enabled": True}}
KUEUE: dict[str, Any] = {"kueue": {"clusterQueues": ["builds"]}}
MIRROR: dict[str, Any] = {"publish": {"kubernetes": True}}
CONFIG_MAP: dict[str, Any] = {"publish": {"configMap": "shield"}}
TWO: dict[str, Any] = {"controller": {"replicas": 2}}
ACCOUNT = f"system:serviceaccount:{NAMESPACE}:etcd-shield-controller"

Right = tuple[str, str, tuple[str, ...], tuple[str, ...]]


def rights(rendered: Rendered) -> set[Right]:
    """Return (kind of role, resource, names, verbs) of each rule."""
    return {
        (
            role["kind"],
            f"{resource}.{group}".rstrip("."),
            tuple(rule.get("resourceNames", ())),
            tuple(sorted(rule["verbs"])),
        )
        for kind in ("Role", "ClusterRole")
        for role in rendered.of(kind)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }


RUNS: Right = ("ClusterRole", "pipelineruns.tekton.dev", (), ("get", "list", "patch", "watch"))
EVENTS: Right = ("ClusterRole", "events.events.k8s.io", (), ("create",))
QUEUES: Right = ("ClusterRole", "clusterqueues.kueue.x-k8s.io", ("builds",), ("get", "patch"))
OBJECT: Right = ("Role", "decisions.etcd-shield.dev", ("decision",), ("create", "patch"))
MAP: Right = ("Role", "configmaps", ("shield",), ("create", "patch"))
LEASE: Right = (
    "Role", "leases.coordination.k8s.io", ("etcd-shield-controller",), ("get", "patch"),
)  # fmt: skip
NEW_LEASE: Right = ("Role", "leases.coordination.k8s.io", (), ("create",))


def test_by_default_there_is_none(plain: Rendered) -> None:
    assert ["evaluator", "admitter"] == plain.services()
    assert [] == [name for o in plain.objects if "controller" in (name := o["metadata"]["name"])]


@pytest.mark.parametrize("values", [HOLD, KUEUE, MIRROR, CONFIG_MAP])
def test_it_is_deployed_where_something_needs_it(chart: Chart, values: dict[str, Any]) -> None:
    assert "controller" in chart.render(values).services()


@pytest.mark.parametrize(
    ("values", "needed"),
    [
        (HOLD, {RUNS, EVENTS}),
        (KUEUE, {QUEUES}),
        (MIRROR, {OBJECT}),
        (CONFIG_MAP, {MAP}),
        ({**MIRROR, **TWO}, {OBJECT, LEASE, NEW_LEASE}),
    ],
    ids=["hold", "kueue", "mirror", "config map", "two replicas"],
)
def test_it_has_the_rights_that_it_needs_and_no_more(
    chart: Chart, values: dict[str, Any], needed: set[Right]
) -> None:
    assert needed == rights(chart.render(values))


@pytest.mark.parametrize(
    "values",
    [HOLD, KUEUE, MIRROR, CONFIG_MAP, {**HOLD, **KUEUE, **MIRROR, **TWO}],
    ids=["hold", "kueue", "mirror", "config map", "all, two replicas"],
)
def test_its_own_check_asks_for_the_rights_that_it_has(
    chart: Chart, tmp_path: Path, values: dict[str, Any]
) -> None:
    rendered = chart.render(values)
    file = tmp_path / "controller.yaml"
    file.write_text(rendered.config("controller"))
    settings = load(file, ControllerSettings, environment={})
    asked = {
        (f"{right.resource}.{right.group}".rstrip("."), right.name, right.verb)
        for right in needed_rights(settings, namespace=NAMESPACE)
    }
    given = {
        (resource, name, verb)
        for _, resource, names, verbs in rights(rendered)
        for name in names or ("",)
        for verb in verbs
    }
    assert asked == given


def test_its_rights_belong_to_its_account(chart: Chart) -> None:
    rendered = chart.render(HOLD, MIRROR)
    bindings = [*rendered.of("RoleBinding"), *rendered.of("ClusterRoleBinding")]
    assert 2 == len(bindings)
    subjects = {(s["name"], s["namespace"]) for b in bindings for s in b["subjects"]}
    assert {("etcd-shield-controller", NAMESPACE)} == subjects
    assert "etcd-shield-controller" == rendered.pod("controller")["serviceAccountName"]
    assert rendered.pod("controller")["automountServiceAccountToken"] is True


def test_rights_can_be_given_by_others(chart: Chart) -> None:
    rendered = chart.render(HOLD, MIRROR, {"controller": {"rbac": {"create": False}}})
    assert set() == rights(rendered)


def test_its_file_says_what_the_values_say(chart: Chart) -> None:
    rendered = chart.render(
        KUEUE,
        {"hold": {"enabled": True, "maxAge": "2h", "onMaxAge": "cancel"}},
        {"release": {"maxRate": "5/s"}, "publish": {"kubernetes": True, "configMap": "shield"}},
        nested("admitter.config.freshness.expired_after", "4m"),
        nested("evaluator.config.status_url", "https://shield.example.com"),
    )
    config = yaml.safe_load(rendered.config("controller"))
    del config["redis"]
    assert {
        "cluster": "default",
        "interval": "5s",
        "refresh": "5s",
        "log": {"level": "info", "format": "auto"},
        "metrics": {"listen": ":9100"},
        "hold": {"enabled": True, "max_age": "2h", "on_max_age": "cancel"},
        "release": {"max_rate": "5/s"},
        "kueue": {"cluster_queues": ["builds"]},
        "publish": {
            "kubernetes": True, "namespace": NAMESPACE, "decision": "decision",
            "config_map": "shield",
        },
        "leader_election": {
            "enabled": False, "namespace": NAMESPACE, "name": "etcd-shield-controller",
        },
        "freshness": {"stale_after": "30s", "expired_after": "4m"},
        "status_url": "https://shield.example.com",
    } == config  # fmt: skip


def test_two_replicas_elect_one(chart: Chart) -> None:
    rendered = chart.render(HOLD, TWO)
    assert yaml.safe_load(rendered.config("controller"))["leader_election"]["enabled"] is True
    assert "podAntiAffinity" in rendered.pod("controller")["affinity"]
    assert rendered.one("PodDisruptionBudget", "etcd-shield-controller")


def test_one_is_never_beside_its_successor(chart: Chart) -> None:
    spec = chart.render(HOLD).one("Deployment", "etcd-shield-controller")["spec"]
    assert (1, {"type": "Recreate"}) == (spec["replicas"], spec["strategy"])


@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_the_controller_has_probes(chart: Chart, probe: str) -> None:
    assert "metrics" == chart.render(HOLD).container("controller")[probe]["httpGet"]["port"]


def test_its_pods_meet_the_restricted_standard(chart: Chart) -> None:
    rendered = chart.render(HOLD)
    pod, own = rendered.pod("controller"), rendered.container("controller")
    assert (True, {"type": "RuntimeDefault"}) == (
        pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["seccompProfile"],
    )  # fmt: skip
    assert own["securityContext"]["readOnlyRootFilesystem"] is True
    assert {"drop": ["ALL"]} == own["securityContext"]["capabilities"]


def test_redis_lets_it_read_the_decision_and_write_how_many_are_held(chart: Chart) -> None:
    words = set(acl(chart.render(HOLD))["controller"].split())
    prefix = "etcd-shield:{default}:"
    keys = {word for word in words if "~" in word}
    assert {f"%R~{prefix}decision", f"%R~{prefix}admitted", f"~{prefix}held"} == keys
    assert {f"&{prefix}decision"} == {word for word in words if word.startswith("&")}


def test_only_with_it_redis_has_its_user_and_its_password(chart: Chart, plain: Rendered) -> None:
    assert "controller" not in acl(plain)
    for rendered, keys in (
        (plain, {"evaluator", "admitter"}),
        (chart.render(HOLD), {"evaluator", "admitter", "controller"}),
    ):
        secret = rendered.one("Secret", "etcd-shield-redis")
        assert {f"{key}-password" for key in keys} == set(secret["data"])
        volume = next(v for v in rendered.pod("redis")["volumes"] if "passwords" == v["name"])
        assert set(secret["data"]) == {item["key"] for item in volume["secret"]["items"]}


def test_restricted_egress_still_reaches_the_api_server(chart: Chart) -> None:
    where = [{"ipBlock": {"cidr": "10.0.0.0/16"}}]
    policies = {"restrictEgress": True, "apiServerTo": where}
    rendered = chart.render(HOLD, {"networkPolicy": policies})
    rules = rendered.one("NetworkPolicy", "etcd-shield-controller")["spec"]["egress"]
    ports = [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]
    assert {"ports": ports, "to": where} in rules
    for service in ("evaluator", "admitter"):
        others = rendered.one("NetworkPolicy", f"etcd-shield-{service}")["spec"]["egress"]
        assert where not in [rule.get("to") for rule in others]


def test_the_controller_reaches_redis(chart: Chart) -> None:
    (rule,) = chart.render(HOLD).one("NetworkPolicy", "etcd-shield-redis")["spec"]["ingress"]
    allowed = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]
    }
    assert {"evaluator", "admitter", "controller"} == allowed


@pytest.mark.parametrize("kind", ["serviceMonitor", "podMonitor"])
def test_the_controller_is_scraped(chart: Chart, kind: str) -> None:
    rendered = chart.render(HOLD, nested(f"metrics.{kind}.enabled", value=True))
    names = [o["metadata"]["name"] for o in rendered.of(kind[0].upper() + kind[1:])]
    assert "etcd-shield-controller" in names


def test_its_image_needs_a_registry_too(chart: Chart) -> None:
    services = {
        name: {"image": {"registry": "r.example.com"}} for name in ("evaluator", "admitter")
    }
    image = re.escape(f"etcd-shield-controller:{version()}")
    with pytest.raises(RenderError, match=rf"controller\.image: {image} names"):
        chart.render(HOLD, services, images=False)


def test_an_external_redis_has_credentials_for_it(chart: Chart) -> None:
    auth = {"secretName": "users", "controllerUsername": "shield-controller",
            "controllerPasswordKey": "controller"}  # fmt: skip
    external = {"url": "redis://r:6379/0", "auth": auth}
    rendered = chart.render(HOLD, {"redis": {"enabled": False}, "externalRedis": external})
    assert "shield-controller" == yaml.safe_load(rendered.config("controller"))["redis"]["username"]
    volume = next(v for v in rendered.pod("controller")["volumes"] if "redis" == v["name"])
    (source,) = volume["projected"]["sources"]
    assert [{"key": "controller", "path": "password"}] == source["secret"]["items"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"controller": {"config": {"interval": "2m"}}}, "controller.config.interval must be from"),
        ({"hold": {"enabled": True, "maxAge": "0s"}}, "hold.maxAge must be above 0s"),
        ({"release": {"maxRate": "60"}}, "at '/release/maxRate'"),
        ({"hold": {"onMaxAge": "delete"}}, "at '/hold/onMaxAge'"),
        ({"controller": {"replicas": 3}}, "at '/controller/replicas'"),
    ],
)
def test_wrong_values_are_refused_with_their_path(
    chart: Chart, values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(RenderError) as caught:
        chart.render(HOLD, values)
    assert sentence in str(caught.value)


def webhooks(rendered: Rendered) -> dict[str, Object]:
    configuration = rendered.one("MutatingWebhookConfiguration")
    return {webhook["name"]: webhook for webhook in configuration["webhooks"]}


def test_by_default_nothing_is_held(plain: Rendered) -> None:
    assert [] == plain.of("MutatingWebhookConfiguration")
    for service in ("evaluator", "admitter"):
        assert "hold" not in yaml.safe_load(plain.config(service))


def test_the_services_are_told_to_hold(chart: Chart) -> None:
    rendered = chart.render({"hold": {"enabled": True, "maxRuns": 7}})
    evaluator = yaml.safe_load(rendered.config("evaluator"))
    assert {"enabled": True, "max_runs": 7} == evaluator["hold"]
    admitter = yaml.safe_load(rendered.config("admitter"))
    release = f"system:serviceaccount:{NAMESPACE}:etcd-shield-release"
    assert {"enabled": True, "controllers": [ACCOUNT, release]} == admitter["hold"]


def test_the_holding_webhook_is_called_after_others(chart: Chart) -> None:
    configuration = chart.render(HOLD).one("MutatingWebhookConfiguration")
    assert f"zz-{NAMESPACE}-etcd-shield-hold" == configuration["metadata"]["name"]


@pytest.mark.parametrize(
    ("name", "operation"), [("hold.etcd-shield.dev", "CREATE"), ("start.etcd-shield.dev", "UPDATE")]
)
def test_holding_never_refuses_by_being_away(chart: Chart, name: str, operation: str) -> None:
    rendered = chart.render(HOLD)
    webhook = webhooks(rendered)[name]
    assert ("Ignore", "NoneOnDryRun", "IfNeeded") == (
        webhook["failurePolicy"], webhook["sideEffects"], webhook["reinvocationPolicy"],
    )  # fmt: skip
    assert [operation] == webhook["rules"][0]["operations"]
    validating = rendered.one("ValidatingWebhookConfiguration")["webhooks"][0]
    service = validating["clientConfig"]["service"]
    assert {**service, "path": "/mutate"} == webhook["clientConfig"]["service"]
    assert validating["clientConfig"]["caBundle"] == webhook["clientConfig"]["caBundle"]
    assert validating["namespaceSelector"] == webhook["namespaceSelector"]


def test_conditions_of_the_user_hold_for_holding_too(chart: Chart) -> None:
    own = {"name": "own", "expression": "true"}
    rendered = chart.render(HOLD, nested("webhook.matchConditions", [own]))
    names = {
        name: [c["name"] for c in w["matchConditions"]] for name, w in webhooks(rendered).items()
    }
    assert {
        "hold.etcd-shield.dev": ["would-start", "not-of-a-run", "not-kueue", "own"],
        "start.etcd-shield.dev": ["starts", "not-kueue", "own"],
    } == names


def test_an_injected_ca_is_asked_for(chart: Chart) -> None:
    rendered = chart.render(HOLD, nested("webhook.tls.mode", "certManager"))
    annotations = rendered.one("MutatingWebhookConfiguration")["metadata"]["annotations"]
    assert f"{NAMESPACE}/etcd-shield-admitter" == annotations["cert-manager.io/inject-ca-from"]


def test_nothing_that_releases_runs_is_rendered_without_a_cluster(chart: Chart) -> None:
    # `helm template | kubectl apply` applies hooks like any other object.
    assert [] == chart.render(HOLD).of("Job")
