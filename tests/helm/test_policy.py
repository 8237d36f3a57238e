"""`admission: policy`: a ValidatingAdmissionPolicy from the values, and what it cannot do.

What the API server makes of the expressions is tested in tests/e2e/test_policy.py.
"""

from typing import Any

import pytest

from tests.helm.chart import (
    CHART,
    NAMESPACE,
    Chart,
    Object,
    Rendered,
    RenderError,
    nested,
    overlaid,
)

# What a policy cannot do is switched off by default in no other mode.
POLICY: dict[str, Any] = {
    "admission": "policy",
    "admitter": {"config": {"denial": {"code": 403}, "retry_after": []}},
}
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")


def render(chart: Chart, *values: dict[str, Any]) -> Rendered:
    return chart.render(POLICY, *values)


def tiers(*rules: dict[str, Any]) -> dict[str, Any]:
    return nested("admitter.config.tiers", [*rules])


def policy(rendered: Rendered, name: str = f"{NAMESPACE}-etcd-shield") -> Object:
    spec: Object = rendered.one("ValidatingAdmissionPolicy", name)["spec"]
    return spec


def binding(rendered: Rendered, name: str = f"{NAMESPACE}-etcd-shield") -> Object:
    spec: Object = rendered.one("ValidatingAdmissionPolicyBinding", name)["spec"]
    return spec


def variable(rendered: Rendered, name: str) -> str:
    """Return the expression of a variable."""
    (found,) = (v["expression"] for v in policy(rendered)["variables"] if name == v["name"])
    return " ".join(str(found).split())


def refusal(chart: Chart, *values: dict[str, Any], kubernetes: str = "1.34.0") -> str:
    with pytest.raises(RenderError) as caught:
        chart.render(*values, kubernetes=kubernetes)
    return str(caught.value)


def test_no_admitter_and_no_webhook_are_deployed(chart: Chart) -> None:
    rendered = render(chart)
    assert ["evaluator", "controller"] == rendered.services()
    assert [] == rendered.of("ValidatingWebhookConfiguration")
    named = [o["metadata"]["name"] for o in rendered.objects]
    assert [] == [name for name in named if "admitter" in name]


def test_the_decision_object_is_mirrored_and_defined(chart: Chart) -> None:
    rendered = render(chart)
    assert "kubernetes: true" in rendered.config("controller")
    definition = rendered.one("CustomResourceDefinition")
    assert "decisions.etcd-shield.dev" == definition["metadata"]["name"]
    assert {"helm.sh/resource-policy": "keep"} == definition["metadata"]["annotations"]
    (version,) = definition["spec"]["versions"]
    columns = [column["name"] for column in version["additionalPrinterColumns"]]
    assert ["Allow", "Reason", "Usage", "Age"] == columns


def test_the_policy_reads_the_object_that_the_controller_writes(chart: Chart) -> None:
    rendered = render(chart, nested("publish.decision", "shield"))
    reference = binding(rendered)["paramRef"]
    assert ("shield", NAMESPACE) == (reference["name"], reference["namespace"])
    assert "decision: shield\n" in rendered.config("controller")
    assert "Decision" == policy(rendered)["paramKind"]["kind"]


@pytest.mark.parametrize(
    ("on_unknown", "action", "failure"), [("allow", "Allow", "Ignore"), ("deny", "Deny", "Fail")]
)
def test_without_a_decision_in_force_on_unknown_speaks(
    chart: Chart, on_unknown: str, action: str, failure: str
) -> None:
    rendered = render(chart, nested("admitter.config.freshness.on_unknown", on_unknown))
    assert action == binding(rendered)["paramRef"]["parameterNotFoundAction"]
    assert failure == policy(rendered)["failurePolicy"]
    bit = {"allow": "true", "deny": "false"}[on_unknown]
    assert variable(rendered, "allow").startswith(f"!variables.inForce ? {bit} :")


@pytest.mark.parametrize("mode", ["warn", "audit"])
def test_a_policy_that_only_warns_or_audits_refuses_nothing_without_a_decision(
    chart: Chart, mode: str
) -> None:
    # The API server refuses for a missing object whatever the binding's actions are.
    config = {"mode": mode, "freshness": {"on_unknown": "deny"}}
    rendered = render(chart, {"admitter": {"config": config}})
    name = f"{NAMESPACE}-etcd-shield-{mode}"
    assert "Allow" == binding(rendered, name)["paramRef"]["parameterNotFoundAction"]
    assert "Ignore" == policy(rendered, name)["failurePolicy"]


def test_it_judges_what_the_webhook_would_be_asked_about(chart: Chart) -> None:
    changes = {
        "webhook": {
            "excludedNamespaces": ["infra"],
            "objectSelector": {"matchLabels": {"a": "b"}},
            "matchConditions": [{"name": "x", "expression": "true"}],
        }
    }
    by_webhook = chart.render(changes).one("ValidatingWebhookConfiguration")["webhooks"][0]
    by_policy = policy(render(chart, changes))
    constraints = by_policy["matchConstraints"]
    assert by_webhook["rules"] == constraints["resourceRules"]
    for key in ("namespaceSelector", "objectSelector", "matchPolicy"):
        assert by_webhook[key] == constraints[key]
    assert by_webhook["matchConditions"] == by_policy["matchConditions"]


@pytest.mark.parametrize(
    ("glob", "expression"),
    [
        ("team-a", 'request.namespace == "team-a"'),
        ("*", "true"),
        ("team-*", 'request.namespace.startsWith("team-")'),
        ("*-releng", 'request.namespace.endsWith("-releng")'),
        (
            "a-*-z",
            (
                'request.namespace.startsWith("a-") && request.namespace.endsWith("-z")'
                " && size(request.namespace) >= 4"
            ),
        ),
        ("*ü*", 'request.namespace.contains("ü")'),
    ],
)
def test_patterns_become_expressions(chart: Chart, glob: str, expression: str) -> None:
    rendered = render(chart, tiers({"tier": "critical", "namespaces": [glob]}))
    assert f'({expression}) ? "critical" : "standard"' == variable(rendered, "tier")


def test_the_first_rule_wins_and_all_its_fields_have_to_match(chart: Chart) -> None:
    rules = (
        {"tier": "critical", "namespaces": ["a", "b"], "users": ["u*"], "labels": {"x/y": 'q"'}},
        {"tier": "background", "groups": ["g"]},
    )
    expected = (
        '((request.namespace == "a" || request.namespace == "b")'
        ' && request.userInfo.username.startsWith("u") && has(object.metadata.labels)'
        ' && "x/y" in object.metadata.labels && object.metadata.labels["x/y"] == "q\\"")'
        ' ? "critical" : (has(request.userInfo.groups)'
        ' && request.userInfo.groups.exists(group, group == "g")) ? "background" : "standard"'
    )
    assert expected == variable(render(chart, tiers(*rules)), "tier")


def test_an_exemption_ends(chart: Chart) -> None:
    exemption = {"users": ["a"], "reason": "x", "expires": "2030-01-31T00:00:00Z"}
    rendered = render(chart, nested("admitter.config.exemptions", [exemption]))
    expected = (
        '(variables.now < timestamp("2030-01-31T00:00:00Z") && request.userInfo.username == "a")'
    )
    assert expected == variable(rendered, "exempt")


@pytest.mark.parametrize(
    ("mode", "suffix", "actions"),
    [("enforce", "", ["Deny"]), ("warn", "-warn", ["Warn"]), ("audit", "-audit", ["Audit"])],
)
def test_each_mode_has_its_action(chart: Chart, mode: str, suffix: str, actions: list[str]) -> None:
    rendered = render(chart, nested("admitter.config.mode", mode))
    assert 1 == len(rendered.of("ValidatingAdmissionPolicy"))
    assert actions == binding(rendered, f"{NAMESPACE}-etcd-shield{suffix}")["validationActions"]


def test_a_tier_with_a_mode_of_its_own_has_a_policy_of_its_own(chart: Chart) -> None:
    rules = tiers({"tier": "background", "users": ["a"]}, {"tier": "critical", "users": ["b"]})
    modes = nested("admitter.config.tier_modes", {"background": "audit", "critical": "off"})
    rendered = render(chart, rules, modes)
    judged = {
        o["metadata"]["name"]: next(
            v["expression"] for v in o["spec"]["variables"] if "judged" == v["name"]
        )
        for o in rendered.of("ValidatingAdmissionPolicy")
    }
    kinds = 'request.kind.kind in ["PipelineRun"] && variables.tier in '
    assert {
        "shield-etcd-shield": f'{kinds}["standard"]',
        "shield-etcd-shield-audit": f'{kinds}["background"]',
    } == judged


def test_the_message_begins_as_the_webhook_s_and_ends_with_the_link(chart: Chart) -> None:
    link = nested("admitter.config.denial.url", "https://wiki.example.com/shield")
    (validation,) = policy(render(chart, link))["validations"]
    message = validation["messageExpression"]
    assert message.startswith('request.kind.kind + " admission currently not allowed: "')
    assert message.endswith('". See https://wiki.example.com/shield"')
    assert "Forbidden" == validation["reason"]


def test_with_the_defaults_everything_that_is_missing_is_named_at_once(chart: Chart) -> None:
    said = refusal(chart, {"admission": "policy"})
    assert "admission=policy cannot answer 429 (set admitter.config.denial.code=403)" in said
    assert "nor ask clients to try again (set admitter.config.retry_after=[])" in said


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"hold": {"enabled": True}}, "set hold.enabled=false, or admission=webhook"),
        (nested("webhook.operations", ["CREATE", "UPDATE"]), "set webhook.operations=[CREATE]"),
        (
            tiers({"tier": "critical", "namespaces": ["a*b*c"]}),
            "match the patterns a*b*c in admitter.config.tiers[0].namespaces",
        ),
        (
            tiers(
                {"tier": "critical", "users": ["a", "b?"]}, {"tier": "critical", "groups": ["[x]"]}
            ),
            "b? in admitter.config.tiers[0].users, [x] in admitter.config.tiers[1].groups",
        ),
        (
            nested("admitter.config.exemptions",
                   [{"users": ["**"], "reason": "x", "expires": "2030-01-31T00:00:00Z"}]),
            "match the patterns ** in admitter.config.exemptions[0].users",
        ),
        (nested("admitter.config.mode", "off"), "there is nothing to judge"),
        (
            {**nested("admitter.config.freshness.on_unknown", "deny"),
             "webhook": {"failurePolicy": "Ignore"}},
            "with which a missing Decision object admits",
        ),
        (nested("evaluator.config.ttl", "90s"), "evaluator.config.ttl must be at least 2m"),
        (
            nested("admitter.config.freshness.expired_after", "1m"),
            "expired_after must be at least 2m",
        ),
    ],
    ids=["holding", "operations", "stars", "several patterns", "exemption", "off",
         "fail open and closed", "ttl", "expired_after"],
)  # fmt: skip
def test_what_a_policy_cannot_do_is_refused_with_a_sentence(
    chart: Chart, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(chart, overlaid(POLICY, values))


def test_with_admission_both_webhook_and_policy_judge_the_same(chart: Chart) -> None:
    rendered = render(chart, {"admission": "both"})
    assert ["evaluator", "admitter", "controller"] == rendered.services()
    (webhook,) = rendered.one("ValidatingWebhookConfiguration")["webhooks"]
    assert webhook["rules"] == policy(rendered)["matchConstraints"]["resourceRules"]
    assert "kubernetes: true" in rendered.config("controller")
    rendered.one("CustomResourceDefinition")


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "admission=both cannot answer 429 (set admitter.config.denial.code=403)"),
        ({**POLICY, "hold": {"enabled": True}}, "admission is both, but runs are held"),
    ],
    ids=["answers", "holding"],
)
def test_what_a_policy_cannot_do_is_refused_beside_a_webhook_too(
    chart: Chart, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in refusal(chart, overlaid(values, {"admission": "both"}))


def test_a_kubernetes_without_policies_is_refused(chart: Chart) -> None:
    said = refusal(chart, POLICY, kubernetes="1.29.4")
    assert "admission=policy needs Kubernetes 1.30 or newer; this is v1.29.4" in said


def test_switched_off_nothing_judges(chart: Chart) -> None:
    rendered = render(chart, nested("webhook.enabled", value=False))
    assert [] == [o for kind in KINDS for o in rendered.of(kind)]
    assert ["evaluator", "controller"] == rendered.services()


def test_with_admission_none_nothing_judges_and_nothing_is_mirrored_unasked(chart: Chart) -> None:
    rendered = chart.render({"admission": "none"})
    assert ["evaluator"] == rendered.services()
    judges = (*KINDS, "ValidatingWebhookConfiguration", "CustomResourceDefinition")
    assert [] == [o for kind in judges for o in rendered.of(kind)]


def test_for_kyverno_the_decision_is_in_a_config_map(chart: Chart) -> None:
    rendered = chart.render({"admission": "none"}, nested("publish.configMap", "etcd-shield"))
    assert ["evaluator", "controller"] == rendered.services()
    assert "config_map: etcd-shield\n" in rendered.config("controller")
    assert [] == rendered.of("CustomResourceDefinition")


def test_alerts_about_admitters_go_with_the_admitters(chart: Chart) -> None:
    rendered = render(chart, nested("alerts.enabled", value=True))
    groups = rendered.one("PrometheusRule")["spec"]["groups"]
    alerts = {rule.get("alert") for group in groups for rule in group["rules"]}
    assert "EtcdShieldEvaluatorDown" in alerts
    assert set() == alerts & {"EtcdShieldAdmitterDown", "EtcdShieldCertificateExpiring"}


def test_helm_test_asks_the_services_that_there_are(chart: Chart) -> None:
    (container,) = render(chart).one("Pod")["spec"]["containers"]
    named = {variable["name"] for variable in container["env"]}
    assert {"EVALUATOR_READY_URL", "CONTROLLER_READY_URL"} == named
    assert "etcd-shield-evaluator:" in container["image"]


def test_a_second_release_leaves_the_definition_to_the_first(chart: Chart) -> None:
    rendered = render(chart, nested("publish.crd", value=False))
    assert [] == rendered.of("CustomResourceDefinition")


def test_the_example_s_definition_is_upgraded_with_the_chart() -> None:
    # Helm installs what is in crds/ once, and never changes it.
    assert not (CHART / "crds").exists()
