"""The chart with Argo CD, Flux, kustomize and a parent chart: docs/examples are rendered."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import (
    CHART,
    EXAMPLES,
    IMAGES,
    ROOT,
    Chart,
    Object,
    Rendered,
    RenderError,
    nested,
    parsed,
    title,
)
from tests.rig.kubernetes import installed
from tools.release.versions import version

PAGES = ROOT / "docs" / "examples"
OWN_LABELS = {
    "app.kubernetes.io/name": "mine",
    "app.kubernetes.io/instance": "mine",
    "app.kubernetes.io/component": "mine",
    "app.kubernetes.io/managed-by": "mine",
    "helm.sh/chart": "mine",
}
EVERYTHING_LABELLED: dict[str, Any] = {
    "commonLabels": {**OWN_LABELS, "grafana_dashboard": "no", "team": "platform"},
    "commonAnnotations": {"argocd.argoproj.io/sync-wave": "0", "owner": "platform"},
    "evaluator": {
        "podLabels": {**OWN_LABELS, "team": "evaluator"},
        "podAnnotations": {
            "checksum/restart": "mine",
            "kubectl.kubernetes.io/default-container": "mine",
        },
        "serviceAccount": {"labels": OWN_LABELS},
    },
    "admitter": {
        "podLabels": OWN_LABELS,
        "service": {"annotations": {"service.beta.openshift.io/serving-cert-secret-name": "mine"}},
    },
    "redis": {"podLabels": OWN_LABELS, "podAnnotations": {"checksum/config": "mine"}},
    "webhook": {
        "tls": {"mode": "openshiftServiceCA"},
        "annotations": {"service.beta.openshift.io/inject-cabundle": "mine"},
    },
    "metrics": {"serviceMonitor": {"enabled": True, "labels": OWN_LABELS}},
    "alerts": {"enabled": True, "labels": OWN_LABELS},
    "dashboards": {"enabled": True},
}


@pytest.fixture(scope="session")
def kubectl() -> str:
    return f"{installed('apiserver')}/kubectl"


def kustomized(kubectl: str, directory: Path) -> list[Object]:
    """Return what `kubectl kustomize` makes of a directory; it fails on a key that occurs twice."""
    done = subprocess.run(
        [kubectl, "kustomize", str(directory)], capture_output=True, text=True, check=False,
        timeout=180,
    )  # fmt: skip
    assert 0 == done.returncode, done.stderr
    return parsed(done.stdout)


def kustomize_rendering(kubectl: str, directory: Path, text: str) -> list[Object]:
    (directory / "rendered.yaml").write_text(text)
    (directory / "kustomization.yaml").write_text("resources: [rendered.yaml]\n")
    return kustomized(kubectl, directory)


@pytest.mark.shows("trial T20")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_kustomize_takes_every_rendering(
    chart: Chart, kubectl: str, tmp_path: Path, example: Path
) -> None:
    text = chart.template(example, images=False)
    assert len(parsed(text)) == len(kustomize_rendering(kubectl, tmp_path, text))


@pytest.mark.shows("trial T20")
def test_kustomize_takes_labels_and_annotations_that_the_chart_sets_too(
    chart: Chart, kubectl: str, tmp_path: Path
) -> None:
    assert kustomize_rendering(kubectl, tmp_path, chart.template(EVERYTHING_LABELLED))


def test_the_loader_of_these_tests_refuses_a_key_that_occurs_twice() -> None:
    with pytest.raises(yaml.YAMLError, match=r"duplicate keys \['a'\]"):
        parsed("metadata: {labels: {a: 1, b: 2, a: 3}}\n")


def _maps(node: Any, name: str) -> Iterator[Mapping[str, str]]:
    if isinstance(node, dict):
        for key, child in node.items():
            if key == name and isinstance(child, dict):
                yield child
            yield from _maps(child, name)
    elif isinstance(node, list):
        for child in node:
            yield from _maps(child, name)


@pytest.mark.shows("trial T20")
def test_the_chart_s_own_labels_and_annotations_win_everywhere(chart: Chart) -> None:
    rendered = chart.render(EVERYTHING_LABELLED)
    found = [
        (title(o), key)
        for o in rendered.objects
        for name in ("labels", "annotations", "matchLabels")
        for labels in _maps(o, name)
        for key, value in labels.items()
        if value == "mine"
    ]
    assert [] == found


def test_selectors_still_find_their_pods(chart: Chart) -> None:
    rendered = chart.render(EVERYTHING_LABELLED)
    for workload in (*rendered.of("Deployment"), *rendered.of("StatefulSet")):
        spec = workload["spec"]
        labels = spec["template"]["metadata"]["labels"]
        assert spec["selector"]["matchLabels"].items() <= labels.items()


@pytest.mark.shows("trial T20")
def test_labels_of_a_pod_win_over_common_ones(chart: Chart) -> None:
    rendered = chart.render(EVERYTHING_LABELLED)
    deployment = rendered.one("Deployment", "etcd-shield-evaluator")
    assert "evaluator" == deployment["spec"]["template"]["metadata"]["labels"]["team"]
    assert "platform" == deployment["metadata"]["labels"]["team"]


@pytest.mark.shows("trial T21")
@pytest.mark.parametrize(
    "values",
    [
        {},
        nested("webhook.tls.mode", "openshiftServiceCA"),
        nested("redis.auth.existingSecret", "own"),
        {"redis": {"enabled": False}, "externalRedis": {"url": "redis://r:6379/0"}},
        {"dashboards": {"enabled": True}, "alerts": {"enabled": True}},
    ],
    ids=["defaults", "service CA", "a Secret", "external Redis", "everything optional"],
)
def test_two_renderings_without_generated_secrets_are_equal(
    chart: Chart, values: dict[str, Any]
) -> None:
    offline = {"generateSecrets": False}
    first, second = (chart.template(offline, values) for _ in range(2))
    assert first == second
    assert [] == Rendered(parsed(first)).of("Secret")


@pytest.mark.shows("trial T21")
def test_two_renderings_of_the_defaults_differ_only_in_secrets(chart: Chart) -> None:
    first, second = (Rendered(parsed(chart.template())) for _ in range(2))
    same = [o for o in first.objects if o in second.objects]
    differing = {o["kind"] for o in first.objects if o not in same}
    assert {"Secret", "StatefulSet", "ValidatingWebhookConfiguration"} == differing


def test_without_generated_secrets_a_self_signed_certificate_is_refused(chart: Chart) -> None:
    values = {"generateSecrets": False, **nested("webhook.tls.mode", "selfSigned")}
    with pytest.raises(RenderError, match=r"generateSecrets is false, but webhook.tls.mode is"):
        chart.render(values)


def test_nothing_that_removes_the_webhook_is_rendered_without_a_cluster(chart: Chart) -> None:
    # `helm template | kubectl apply` applies hooks like any other object.
    rendered = chart.render()
    assert 1 == len(rendered.of("ValidatingWebhookConfiguration"))
    assert {"test"} == {
        hook for o in rendered.objects
        if (hook := o["metadata"].get("annotations", {}).get("helm.sh/hook"))
    }  # fmt: skip


def test_argo_cd_creates_the_webhook_last(plain: Rendered) -> None:
    annotations = plain.one("ValidatingWebhookConfiguration")["metadata"]["annotations"]
    assert {"argocd.argoproj.io/sync-wave": "1"} == annotations


def test_a_sync_wave_of_the_user_is_kept(chart: Chart) -> None:
    wave = {"argocd.argoproj.io/sync-wave": "5"}
    rendered = chart.render({"webhook": {"annotations": wave}})
    assert wave == rendered.one("ValidatingWebhookConfiguration")["metadata"]["annotations"]


@pytest.mark.shows("trial T21")
def test_the_argo_cd_example_renders_the_same_twice(chart: Chart) -> None:
    application = yaml.safe_load((PAGES / "argocd" / "application.yaml").read_text())
    source = application["spec"]["source"]
    assert CHART == ROOT / source["path"]
    values = source["helm"]["valuesObject"]
    first, second = (chart.template(values, images=False) for _ in range(2))
    assert first == second


def test_the_flux_example_renders(chart: Chart) -> None:
    things = list(yaml.safe_load_all((PAGES / "flux" / "helmrelease.yaml").read_text()))
    release = next(thing for thing in things if "HelmRelease" == thing["kind"])["spec"]
    assert CHART == ROOT / release["chart"]["spec"]["chart"]
    assert chart.render(release["values"], images=False).of("Deployment")


def test_the_kustomize_example_builds_with_its_own_command(
    chart: Chart, kubectl: str, tmp_path: Path
) -> None:
    shutil.copytree(PAGES / "kustomize", tmp_path / "kustomize")
    values = yaml.safe_load((PAGES / "kustomize" / "values.yaml").read_text())
    text = chart.run(
        "template", "etcd-shield", str(CHART), "--namespace=etcd-shield", "--no-hooks",
        values=(values,),
    )  # fmt: skip
    (tmp_path / "kustomize" / "rendered.yaml").write_text(text)
    built = Rendered(kustomized(kubectl, tmp_path / "kustomize"))
    assert 5 == built.one("Deployment", "etcd-shield-admitter")["spec"]["replicas"]
    assert [] == built.of("Pod")


@pytest.fixture(scope="session")
def parent(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Chart:
    """The example of a parent chart, with this chart in its charts/."""
    directory = tmp_path_factory.mktemp("parent") / "platform"
    shutil.copytree(PAGES / "subchart", directory, ignore=shutil.ignore_patterns("charts"))
    (directory / "charts").mkdir()
    shutil.copytree(CHART, directory / "charts" / "etcd-shield")
    return Chart(chart.helm, directory)


@pytest.mark.shows("trial T15")
def test_a_parent_chart_switches_it_on(parent: Chart) -> None:
    rendered = parent.render(images=False, release="etcd-shield")
    assert (
        f"registry.example.com/shield/etcd-shield-admitter:{version()}"
        == (rendered.container("admitter")["image"])
    )
    pod = rendered.pod("redis")
    assert [{"name": "registry"}] == pod["imagePullSecrets"]


@pytest.mark.shows("trial T15")
def test_a_parent_chart_switches_it_off(parent: Chart) -> None:
    rendered = parent.render(nested("etcd-shield.enabled", value=False), images=False)
    assert ["ConfigMap"] == [o["kind"] for o in rendered.objects]


@pytest.mark.shows("trial T15")
@pytest.mark.parametrize(
    "values",
    [
        {"global": None},
        {"global": {"storageClass": "fast", "other": {"chart": 1}}},
        {"global": {"imageRegistry": None, "imagePullSecrets": None},
         "etcd-shield": IMAGES},
    ],
    ids=["no globals", "globals of others", "null globals"],
)  # fmt: skip
def test_a_parent_chart_may_have_globals_of_its_own(parent: Chart, values: dict[str, Any]) -> None:
    images = {"etcd-shield": IMAGES}
    assert parent.render(images, values, images=False).of("StatefulSet")


@pytest.mark.shows("trial T24")
@pytest.mark.parametrize("section", ["redis", "webhook", "evaluator"])
def test_a_section_that_the_parent_sets_to_null_is_refused_with_a_sentence(
    parent: Chart, section: str
) -> None:
    with pytest.raises(RenderError, match=f"{section} is missing or null"):
        parent.render(nested(f"etcd-shield.{section}", None), images=False)


def test_objects_are_in_the_namespace_that_the_values_say(chart: Chart) -> None:
    everything = {**EVERYTHING_LABELLED, "namespaceOverride": "elsewhere"}
    rendered = chart.render(everything)
    assert {"elsewhere"} == {
        o["metadata"]["namespace"] for o in rendered.objects if "namespace" in o["metadata"]
    }
    webhook = rendered.one("ValidatingWebhookConfiguration")["webhooks"][0]
    assert "elsewhere" == webhook["clientConfig"]["service"]["namespace"]
    assert ".elsewhere.svc:6379" in rendered.config("evaluator")
