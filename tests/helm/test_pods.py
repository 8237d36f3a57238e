"""Deployments and the StatefulSet: security, scheduling, and how pods end."""

import pytest
import yaml

from tests.helm.chart import Chart, Rendered, nested

COMPONENTS = ("evaluator", "admitter", "redis")
SERVICES = ("evaluator", "admitter")


@pytest.mark.parametrize("component", COMPONENTS)
def test_pods_meet_the_restricted_standard(plain: Rendered, component: str) -> None:
    pod, own = plain.pod(component)["securityContext"], plain.container(component)
    assert (True, {"type": "RuntimeDefault"}) == (pod["runAsNonRoot"], pod["seccompProfile"])
    assert {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    } == own["securityContext"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_pod_mounts_a_service_account_token(plain: Rendered, component: str) -> None:
    assert plain.pod(component)["automountServiceAccountToken"] is False


@pytest.mark.parametrize("component", COMPONENTS)
def test_on_openshift_no_pod_has_a_fixed_user(chart: Chart, component: str) -> None:
    rendered = chart.render(offers=("security.openshift.io/v1",))
    context = rendered.pod(component)["securityContext"]
    assert set() == {"runAsUser", "runAsGroup", "fsGroup"} & context.keys()


def test_elsewhere_redis_has_the_official_images_user(plain: Rendered) -> None:
    assert 999 == plain.pod("redis")["securityContext"]["runAsUser"]


def test_one_evaluator_is_recreated(plain: Rendered) -> None:
    spec = plain.one("Deployment", "etcd-shield-evaluator")["spec"]
    assert (1, {"type": "Recreate"}) == (spec["replicas"], spec["strategy"])


def test_a_hot_standby_is_replaced_in_turn_on_another_node(chart: Chart) -> None:
    rendered = chart.render(nested("evaluator.replicas", 2))
    spec = rendered.one("Deployment", "etcd-shield-evaluator")["spec"]
    assert "RollingUpdate" == spec["strategy"]["type"]
    assert "podAntiAffinity" in rendered.pod("evaluator")["affinity"]
    assert (
        1 == rendered.one("PodDisruptionBudget", "etcd-shield-evaluator")["spec"]["maxUnavailable"]
    )


def test_three_admitters_of_which_none_may_be_missing_during_a_rollout(plain: Rendered) -> None:
    spec = plain.one("Deployment", "etcd-shield-admitter")["spec"]
    assert 3 == spec["replicas"]
    assert {"maxSurge": 1, "maxUnavailable": 0} == spec["strategy"]["rollingUpdate"]


def test_an_autoscaler_sets_the_replicas_alone(chart: Chart) -> None:
    rendered = chart.render(nested("admitter.autoscaling.enabled", value=True))
    deployment = rendered.one("Deployment", "etcd-shield-admitter")
    assert "replicas" not in deployment["spec"]
    target = rendered.one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    assert deployment["metadata"]["name"] == target


def test_admitters_spread_over_nodes_and_zones_without_insisting(plain: Rendered) -> None:
    spread = plain.pod("admitter")["topologySpreadConstraints"]
    assert ["kubernetes.io/hostname", "topology.kubernetes.io/zone"] == [
        s["topologyKey"] for s in spread
    ]
    assert {"ScheduleAnyway"} == {s["whenUnsatisfiable"] for s in spread}


@pytest.mark.parametrize(
    ("values", "grace"),
    [
        ({}, 30),
        (nested("admitter.config.drain", "1m30s"), 108),
        (nested("admitter.config.drain", "30500ms"), 49),
        (nested("admitter.preStopSeconds", 40), 63),
        (nested("admitter.terminationGracePeriodSeconds", 300), 300),
    ],
    ids=["default", "long drain", "half a second", "long preStop", "given"],
)
def test_the_grace_is_longer_than_the_end_takes(
    chart: Chart, values: dict[str, object], grace: int
) -> None:
    assert grace == chart.render(values).pod("admitter")["terminationGracePeriodSeconds"]


@pytest.mark.parametrize(
    ("kubernetes", "hook"),
    [("1.29.0", {"exec": {"command": ["sleep", "5"]}}), ("1.30.0", {"sleep": {"seconds": 5}})],
)
def test_the_pre_stop_hook_is_one_that_this_kubernetes_has(
    chart: Chart, kubernetes: str, hook: dict[str, object]
) -> None:
    container = chart.render(kubernetes=kubernetes).container("admitter")
    assert hook == container["lifecycle"]["preStop"]


@pytest.mark.parametrize("component", SERVICES)
@pytest.mark.parametrize(
    ("probe", "path"), [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
)
def test_probes_ask_what_they_are_named_after(
    plain: Rendered, component: str, probe: str, path: str
) -> None:
    asked = plain.container(component)[probe]["httpGet"]
    assert (path, "metrics") == (asked["path"], asked["port"])


@pytest.mark.parametrize(
    ("path", "value", "restarts"),
    [
        ("evaluator.config.on_blind", "deny", False),
        ("admitter.config.mode", "audit", False),
        ("metrics.port", 9200, True),
        ("cluster", "other", True),
        ("admitter.config.max_connections", 2048, True),
        ("admitter.config.startup_grace", "20s", True),
        ("evaluator.config.log.format", "json", True),
    ],
)
def test_only_what_a_service_needs_once_restarts_pods(
    chart: Chart, plain: Rendered, path: str, value: object, *, restarts: bool
) -> None:
    changed = chart.render(nested(path, value))
    names = [f"etcd-shield-{component}" for component in SERVICES]
    before, after = (
        [
            r.one("Deployment", name)["spec"]["template"]["metadata"]["annotations"][
                "checksum/restart"
            ]
            for name in names
        ]
        for r in (plain, changed)
    )
    assert restarts == (before != after)


def test_denied_pipelines_as_code_comes_back_by_itself(plain: Rendered) -> None:
    rules = yaml.safe_load(plain.config("admitter"))["retry_after"]
    users = ["system:serviceaccount:*:pipelines-as-code-controller"]
    assert [{"seconds": 30, "users": users}] == rules


def test_a_name_that_is_too_long_still_gives_valid_names(chart: Chart) -> None:
    rendered = chart.render(nested("fullnameOverride", "a" * 100))
    names = [o["metadata"]["name"] for o in rendered.of("Service")]
    assert [] == [name for name in names if len(name) > 63]
