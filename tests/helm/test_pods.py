"""Deployments and the StatefulSet: security, scheduling, and how pods end."""

import pytest
import yaml

from tests.helm.chart import Chart, Rendered, RenderError, nested

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


@pytest.mark.shows("trial T17")
def test_the_webhook_s_port_is_one_that_private_control_planes_reach(plain: Rendered) -> None:
    ports = {port["name"]: port["containerPort"] for port in plain.container("admitter")["ports"]}
    assert {"webhook": 10250, "metrics": 9100} == ports
    assert ":10250" == yaml.safe_load(plain.config("admitter"))["listen"]


@pytest.mark.shows("trial T18")
def test_on_the_node_s_network_no_usual_port_is_taken(chart: Chart) -> None:
    rendered = chart.render(nested("admitter.hostNetwork", value=True))
    config = yaml.safe_load(rendered.config("admitter"))
    assert (":10260", ":9110") == (config["listen"], config["metrics"]["listen"])
    ports = {p["name"]: p["containerPort"] for p in rendered.container("admitter")["ports"]}
    assert {"webhook": 10260, "metrics": 9110} == ports
    # The evaluator stays on the pod network.
    assert ":9100" == yaml.safe_load(rendered.config("evaluator"))["metrics"]["listen"]


@pytest.mark.shows("trial T18")
def test_on_the_node_s_network_a_rollout_needs_no_further_node(chart: Chart) -> None:
    rendered = chart.render(nested("admitter.hostNetwork", value=True))
    strategy = rendered.one("Deployment", "etcd-shield-admitter")["spec"]["strategy"]
    assert {"maxSurge": 0, "maxUnavailable": 1} == strategy["rollingUpdate"]


@pytest.mark.shows("trial T18")
@pytest.mark.parametrize("port", [10248, 10250, 10255, 10256])
def test_a_node_s_own_port_is_refused(chart: Chart, port: int) -> None:
    with pytest.raises(RenderError, match="belong to the kubelet"):
        chart.render(nested("admitter", {"hostNetwork": True, "port": port}))


@pytest.mark.shows("trial T16")
@pytest.mark.parametrize(
    ("values", "classes"),
    [
        ({}, ["system-cluster-critical"]),
        (nested("redis.priorityClassName", "system-node-critical"),
         ["system-cluster-critical", "system-node-critical"]),
        (nested("evaluator.priorityClassName", "own"), ["system-cluster-critical"]),
    ],
    ids=["default", "two", "one of one's own"],
)  # fmt: skip
def test_a_quota_admits_pods_of_the_system_s_classes(
    chart: Chart, values: dict[str, object], classes: list[str]
) -> None:
    (scope,) = chart.render(values).one("ResourceQuota")["spec"]["scopeSelector"][
        "matchExpressions"
    ]
    assert (sorted(classes), "PriorityClass", "In") == (
        sorted(scope["values"]), scope["scopeName"], scope["operator"],
    )  # fmt: skip


@pytest.mark.shows("trial T16")
@pytest.mark.parametrize(
    "values",
    [nested("priorityClassQuota.enabled", value=False), nested("admitter.priorityClassName", "")],
    ids=["switched off", "no class"],
)
def test_without_need_there_is_no_quota(chart: Chart, values: dict[str, object]) -> None:
    assert [] == chart.render(values).of("ResourceQuota")


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_pod_takes_what_its_values_add(chart: Chart, component: str) -> None:
    spread = [{"topologyKey": "zone", "maxSkew": 1, "whenUnsatisfiable": "ScheduleAnyway"}]
    added = {
        "runtimeClassName": "gvisor",
        "dnsPolicy": "Default",
        "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
        "topologySpreadConstraints": spread,
        "priorityClassName": "own",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
    }
    pod = chart.render({component: added}).pod(component)
    assert added == {key: pod[key] for key in added}


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("probe", ["startupProbe", "livenessProbe", "readinessProbe"])
def test_a_field_of_a_probe_is_replaced_and_the_rest_stays(
    chart: Chart, plain: Rendered, component: str, probe: str
) -> None:
    changed = chart.render({component: {probe: {"timeoutSeconds": 17}}}).container(component)
    assert {**plain.container(component)[probe], "timeoutSeconds": 17} == changed[probe]


@pytest.mark.parametrize("component", COMPONENTS)
def test_security_contexts_can_be_extended(chart: Chart, component: str) -> None:
    changes = {"podSecurityContext": {"runAsUser": 5}, "securityContext": {"privileged": False}}
    rendered = chart.render({component: changes})
    assert 5 == rendered.pod(component)["securityContext"]["runAsUser"]
    assert rendered.container(component)["securityContext"]["privileged"] is False


def test_update_strategies_can_be_replaced(chart: Chart) -> None:
    own = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}
    rendered = chart.render({"evaluator": {"strategy": own}, "admitter": {"strategy": own}})
    assert [own, own] == [o["spec"]["strategy"] for o in rendered.of("Deployment")]


def test_old_replica_sets_are_bounded_everywhere(chart: Chart) -> None:
    rendered = chart.render(nested("revisionHistoryLimit", 1))
    workloads = [*rendered.of("Deployment"), *rendered.of("StatefulSet")]
    assert [1, 1, 1] == [o["spec"]["revisionHistoryLimit"] for o in workloads]


@pytest.mark.shows("trial T9")
def test_denied_pipelines_as_code_comes_back_by_itself(plain: Rendered) -> None:
    rules = yaml.safe_load(plain.config("admitter"))["retry_after"]
    users = ["system:serviceaccount:*:pipelines-as-code-controller"]
    assert [{"seconds": 30, "users": users}] == rules


@pytest.mark.shows("trial T24")
def test_a_name_that_is_too_long_still_gives_valid_names(chart: Chart) -> None:
    rendered = chart.render(nested("fullnameOverride", "a" * 100))
    names = [o["metadata"]["name"] for o in rendered.of("Service")]
    assert [] == [name for name in names if len(name) > 63]
