"""Each of ci/*-values.yaml: lint, schemas, and whether the services would start with it."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import SettingsStruct, load
from shield_controller.settings import ControllerSettings
from shield_evaluator.settings import EvaluatorSettings
from tests.helm.chart import CHART, EXAMPLES, Chart, Rendered, title
from tests.helm.kubernetes_schemas import KubernetesSchemas

# The oldest that the chart supports and the newest; as in tools/go/schemas.txt.
KUBERNETES = ("v1.28.15", "v1.36.3")
SETTINGS: dict[str, type[SettingsStruct]] = {
    "evaluator": EvaluatorSettings,
    "admitter": AdmitterSettings,
    "controller": ControllerSettings,
}
# What a pod injects where the URL of an external Redis is in a Secret.
URL_FROM_SECRET = {"SHIELD_REDIS_URL": "rediss://user:secret@redis.example.com:6379/0"}

# Kubernetes has ValidatingAdmissionPolicy since 1.30; the chart refuses it before (test_policy.py).
NEWER_ONLY = {"policy-values": "v1.36.3"}

every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)


@cache
def known(directory: Path, version: str) -> KubernetesSchemas:
    return KubernetesSchemas(directory, version)


@every_example
def test_lint_finds_nothing(chart: Chart, example: Path) -> None:
    said = chart.run("lint", str(CHART), "--strict", values=(example,))
    assert "0 chart(s) failed" in said


@every_example
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_object_is_one_that_kubernetes_knows(
    chart: Chart, schemas: Path, example: Path, version: str
) -> None:
    version = NEWER_ONLY.get(example.stem, version)
    rendered = chart.render(example, images=False, kubernetes=version)
    kubernetes = known(schemas, version)
    assert {} == {title(o): p for o in rendered.objects if (p := kubernetes.problems(o))}


@every_example
@pytest.mark.parametrize("service", SETTINGS)
def test_the_service_takes_its_configuration_file(
    chart: Chart, tmp_path: Path, example: Path, service: str
) -> None:
    rendered = chart.render(example, images=False)
    if service not in rendered.services():
        return
    file = tmp_path / f"{service}.yaml"
    file.write_text(rendered.config(service))
    env = rendered.container(service).get("env", [])
    injected = URL_FROM_SECRET if "SHIELD_REDIS_URL" in {e["name"] for e in env} else {}

    kind = SETTINGS[service]
    assert isinstance(load(file, kind, environment=injected), kind)


@every_example
@pytest.mark.parametrize("shared", ["cluster", "default_tier"])
def test_the_services_have_the_same_settings(chart: Chart, example: Path, shared: str) -> None:
    rendered = chart.render(example, images=False)
    configs = [yaml.safe_load(rendered.config(service)) for service in rendered.services()]
    told = {config[shared] for config in configs if shared in config}
    assert {configs[0][shared]} == told


@every_example
def test_every_object_has_the_charts_labels(chart: Chart, example: Path) -> None:
    own = [
        o for o in chart.render(example, images=False).objects if "note" != o["metadata"]["name"]
    ]
    wanted = {"app.kubernetes.io/instance", "app.kubernetes.io/component", "helm.sh/chart"}
    assert [] == [title(o) for o in own if not wanted <= o["metadata"]["labels"].keys()]


@every_example
def test_no_object_is_rendered_twice(chart: Chart, example: Path) -> None:
    names = [title(o) for o in chart.render(example, images=False).objects]
    assert sorted(set(names)) == sorted(names)


@every_example
def test_every_mounted_file_is_one_that_a_volume_brings(chart: Chart, example: Path) -> None:
    rendered = chart.render(example, images=False)
    for component in rendered.services():
        volumes = {volume["name"] for volume in rendered.pod(component)["volumes"]}
        mounts = {mount["name"] for mount in rendered.container(component)["volumeMounts"]}
        assert volumes == mounts


def test_a_field_that_kubernetes_does_not_know_is_noticed(plain: Rendered, schemas: Path) -> None:
    broken = plain.one("Service", "etcd-shield-admitter")
    misspelled = {**broken, "spec": {**broken["spec"], "selecter": {}}}
    problems = known(schemas, KUBERNETES[1]).problems(misspelled)
    assert ["spec: Additional properties are not allowed ('selecter' was unexpected)"] == problems
