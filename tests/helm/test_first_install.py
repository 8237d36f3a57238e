"""A first installation cannot block a cluster: images, failure policy, and helm's notes."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.helm.chart import CHART, IMAGES, NAMESPACE, Chart, Rendered, RenderError, nested
from tools.release.versions import version

NO_TIER_ENFORCED = {"critical": "audit", "standard": "warn", "background": "off"}
WARN_STANDARD = {"standard": "warn"}
RULES = [{"tier": tier, "users": ["x"]} for tier in ("critical", "background")]


def policy(rendered: Rendered) -> str:
    (webhook,) = rendered.one("ValidatingWebhookConfiguration")["webhooks"]
    found: str = webhook["failurePolicy"]
    return found


@pytest.fixture(scope="session")
def with_notes(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The chart with its notes as an object; `helm template` does not print them."""
    directory = tmp_path_factory.mktemp("chart") / "etcd-shield"
    shutil.copytree(CHART, directory)
    notes = directory / "templates" / "NOTES.txt"
    (directory / "templates" / "notes.yaml").write_text(
        f'{{{{- define "notes" -}}}}\n{notes.read_text()}{{{{- end -}}}}\n'
        "apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\n"
        'text: {{ include "notes" . | toJson }}\n'
    )
    return Chart(chart.helm, directory)


def notes(chart: Chart, *values: dict[str, Any]) -> str:
    """Return the notes on one line; where they wrap says nothing."""
    text: str = chart.render(*values).one("Notes")["text"]
    return " ".join(text.split())


@pytest.mark.shows("trial T23")
@pytest.mark.parametrize(
    "values",
    [
        {},
        {"image": {"registry": "shield"}},
        {"image": {"registry": ""}, "evaluator": {"image": {"repository": "team/evaluator"}}},
        {"evaluator": {"image": {"digest": f"sha256:{'0' * 64}"}}},
        {"evaluator": {"image": {"pullPolicy": "Always"}}},
        {"evaluator": {"image": {"repository": "registry.example.com/evaluator"}}},
        {**IMAGES, "redis": {"image": {"registry": "", "repository": "redis"}}, "image": {}},
    ],
    ids=["defaults", "a path", "an owner", "a digest", "always", "only one", "redis"],
)
def test_an_image_without_a_registry_is_refused(chart: Chart, values: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match=r"image: \S+ names no registry.*Set image.registry"):
        chart.render(values, images=False)


@pytest.mark.parametrize(
    "registry",
    ["registry.example.com", "localhost/shield", "registry:5000", "[::1]:5000", "docker.io/owner/"],
)
def test_every_form_of_a_registry_is_one(chart: Chart, registry: str) -> None:
    rendered = chart.render(nested("image.registry", registry))
    wanted = f"{registry.rstrip('/')}/etcd-shield-admitter:{version()}"
    assert wanted == rendered.container("admitter")["image"]


@pytest.mark.shows("trial T23")
@pytest.mark.parametrize(
    "values",
    [
        {"image": {"registry": "https://registry.example.com"}},
        {"global": {"imageRegistry": "registry.example.com//shield"}},
        {"image": {"registry": "registry.example.com/Shield"}},
        {"evaluator": {"image": {"repository": "registry.example.com/evaluator:1.0"}}},
        {"evaluator": {"image": {"repository": f"a.b/evaluator@sha256:{'0' * 64}"}}},
        {"evaluator": {"image": {"repository": "registry.example.com/team evaluator"}}},
        {"evaluator": {"image": {"tag": "1.0+build"}}},
        {"evaluator": {"image": {"tag": ":1.0"}}},
        {"redis": {"image": {"tag": "7 alpine"}}},
    ],
    ids=[
        "scheme", "two slashes", "upper case", "tag in the repository", "digest in the repository",
        "space", "plus", "colon", "redis",
    ],
)  # fmt: skip
def test_an_image_that_no_node_could_pull_is_refused(chart: Chart, values: dict[str, Any]) -> None:
    with pytest.raises(RenderError, match=r"image: .+ is no image that a node could pull"):
        chart.render(values)


def test_an_image_that_is_never_pulled_needs_no_registry(chart: Chart) -> None:
    never = {"image": {"pullPolicy": "Never"}}
    rendered = chart.render({"evaluator": never, "admitter": never}, images=False)
    assert f"etcd-shield-evaluator:{version()}" == rendered.container("evaluator")["image"]


def test_an_external_redis_needs_no_image(chart: Chart) -> None:
    external = {
        "redis": {"enabled": False, "image": {"registry": ""}},
        "externalRedis": {"url": "redis://r:6379/0"},
    }
    ours = {name: {"image": {"registry": "quay.io/x"}} for name in ("evaluator", "admitter")}
    assert [] == chart.render(external, ours, images=False).of("StatefulSet")


@pytest.mark.shows("trial T23")
@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({}, "Fail"),
        (nested("admitter.config.mode", "audit"), "Ignore"),
        (nested("admitter.config.mode", "warn"), "Ignore"),
        (nested("admitter.config.mode", "off"), "Ignore"),
        (nested("admitter.config", {"mode": "audit", "tier_modes": WARN_STANDARD}), "Ignore"),
        (nested("admitter.config.tier_modes", {"standard": "audit"}), "Fail"),
        (
            nested("admitter.config", {"tier_modes": NO_TIER_ENFORCED, "tiers": RULES}),
            "Ignore",
        ),
        ({**nested("admitter.config.mode", "audit"), "webhook": {"failurePolicy": "Fail"}}, "Fail"),
        (nested("webhook.failurePolicy", "Ignore"), "Ignore"),
    ],
    ids=["enforce", "audit", "warn", "off", "audit with tiers", "one tier in audit",
         "no tier enforced", "audit, but Fail", "enforce, but Ignore"],
)  # fmt: skip
def test_a_shield_that_denies_nothing_refuses_nothing_by_being_away(
    chart: Chart, values: dict[str, Any], wanted: str
) -> None:
    assert wanted == policy(chart.render(values))


@pytest.mark.shows("trial T23")
def test_the_notes_say_what_happens_without_an_admitter_and_the_way_out(with_notes: Chart) -> None:
    said = notes(with_notes)
    assert "If no admitter answers, every new PipelineRun is refused (failurePolicy: Fail)" in said
    name = with_notes.render().one("ValidatingWebhookConfiguration")["metadata"]["name"]
    assert f"kubectl delete validatingwebhookconfiguration {name}" in said


def test_in_audit_mode_the_notes_say_that_nothing_is_refused(with_notes: Chart) -> None:
    said = notes(with_notes, nested("admitter.config.mode", "audit"))
    assert "If no admitter answers, new PipelineRuns are admitted (failurePolicy: Ignore)" in said
    assert "Nothing is denied yet: admitter.config.mode is audit." in said


@pytest.mark.shows("trial T26", "N1")
def test_the_notes_say_how_to_remove_it_and_why_not_by_the_namespace(with_notes: Chart) -> None:
    said = notes(with_notes)
    assert f"`helm uninstall etcd-shield -n {NAMESPACE}`, which removes the webhook first" in said
    assert "Do not delete the namespace instead: the webhook would stay" in said


@pytest.mark.shows("trial T16", "trial T23")
@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "The ResourceQuota etcd-shield-priority lets up to 100 pods"),
        (nested("priorityClassQuota.enabled", value=False), "no admitter starts"),
        (nested("admitter.hostNetwork", value=True), "whose ports 10260 and 9110 are free"),
        (nested("generateSecrets", value=False), "create secret generic etcd-shield-redis"),
        (nested("webhook.enabled", value=False), "does not ask the shield yet"),
        (nested("admitter.replicas", 1), "every new PipelineRun is refused while that pod"),
    ],
    ids=["quota", "no quota", "hostNetwork", "no secrets", "no webhook", "one admitter"],
)
def test_the_notes_name_what_can_keep_admitters_away(
    with_notes: Chart, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in notes(with_notes, values)


def test_commands_in_the_notes_name_objects_that_exist(with_notes: Chart) -> None:
    rendered = with_notes.render({"fullnameOverride": "x" * 60, "namespaceOverride": "elsewhere"})
    text = rendered.one("Notes")["text"]
    names = {o["metadata"]["name"] for o in rendered.objects}
    assert set() == set(re.findall(r"deployment/(\S+)", text)) - names
    assert {"elsewhere"} == set(re.findall(r"kubectl -n (\S+)", text))


def test_the_registry_of_a_parent_chart_wins(chart: Chart) -> None:
    values = {"global": {"imageRegistry": "mirror.internal/all"}}
    rendered = chart.render(values)
    images = [rendered.container(name)["image"] for name in ("evaluator", "admitter", "redis")]
    assert ["mirror.internal/all"] * 3 == [image.rpartition("/")[0] for image in images]


def test_a_repository_that_names_its_registry_keeps_it(chart: Chart) -> None:
    values = nested("evaluator.image.repository", "quay.io/shield/evaluator")
    image = chart.render(values).container("evaluator")["image"]
    assert f"quay.io/shield/evaluator:{version()}" == image


def test_pull_secrets_of_parent_and_chart_are_each_named_once(chart: Chart) -> None:
    secrets: dict[str, Any] = {
        "global": {"imagePullSecrets": ["plain", {"name": "both"}]},
        "imagePullSecrets": [{"name": "own"}, {"name": "both"}],
    }
    rendered = chart.render(secrets)
    for pod in ("evaluator", "admitter", "redis"):
        names = [secret["name"] for secret in rendered.pod(pod)["imagePullSecrets"]]
        assert ["plain", "both", "own"] == names


@pytest.mark.shows("trial T23")
def test_readme_s_first_file_denies_nothing_and_blocks_nothing(chart: Chart) -> None:
    text = (Path(CHART) / "README.md").read_text()
    assert "mode: audit" in text
    assert "failurePolicy: Ignore" in chart.template(nested("admitter.config.mode", "audit"))


POLICY = {
    "admission": "policy",
    "admitter": {"config": {"denial": {"code": 403}, "retry_after": []}},
}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"hold": {"enabled": True}}, "kubectl get pipelineruns -A -l etcd-shield.dev/held"),
        ({"hold": {"enabled": True}}, "Pipelines-as-Code shows such a run as queued"),
        ({"hold": {"enabled": True}}, "has to ignore /spec/status"),
        ({"hold": {"enabled": True}}, "`shield-controller release --all` before one"),
        (POLICY, f"kubectl -n {NAMESPACE} get decisions"),
        (POLICY, "Admitted runs are not counted and not paced"),
        ({**POLICY, "admission": "both"}, f"kubectl -n {NAMESPACE} get decisions"),
        ({**POLICY, "admission": "both"}, "The webhook refuses beside it"),
        ({**POLICY, "admission": "both"}, "If no admitter answers, every new PipelineRun is"),
        ({**POLICY, "admission": "none"}, "nothing of this release refuses a run"),
    ],
)
def test_the_notes_say_what_a_way_of_admission_changes(
    with_notes: Chart, values: dict[str, Any], sentence: str
) -> None:
    assert sentence in notes(with_notes, values)


def test_the_notes_of_a_policy_name_no_admitter(with_notes: Chart) -> None:
    said = notes(with_notes, POLICY)
    assert [] == [
        word for word in ("admitter", "webhook") if f"deployment/etcd-shield-{word}" in said
    ]
    assert "deployment/etcd-shield-controller" in said
