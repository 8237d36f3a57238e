"""docs/examples/kyverno with Kyverno's command line, and the controller's ConfigMap."""

import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.e2e.objects import pipeline_run_definition
from tests.kyverno.decisions import RELENG, TEAM, mirrored, moment
from tests.rig.kubernetes import installed

EXAMPLES: Final = Path(__file__).resolve().parents[2] / "docs" / "examples" / "kyverno"
POLICIES: Final = ("clusterpolicy", "validatingpolicy")
SECONDS: Final = 120


@pytest.fixture(scope="session")
def kyverno() -> str:
    return str(Path(installed("kyverno")) / "kubectl-kyverno")


def run_in(namespace: str) -> dict[str, Any]:
    """Return a PipelineRun as a webhook sees it: the API server has set its time."""
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {
            "name": f"run-{namespace}",
            "namespace": namespace,
            "creationTimestamp": f"{moment(0):%Y-%m-%dT%H:%M:%SZ}",
        },
        "spec": {"pipelineRef": {"name": "build"}},
    }


def results(
    kyverno: str, directory: Path, policy: str, things: list[dict[str, Any]]
) -> dict[str, str]:
    """Apply a policy to a run in each namespace; return what Kyverno says of each."""
    answers = {}
    for namespace in (TEAM, RELENG):
        case = directory / namespace
        case.mkdir()
        shutil.copy(EXAMPLES / f"{policy}.yaml", case / "policy.yaml")
        namespaces = [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in (TEAM, RELENG, "etcd-shield")
        ]
        cluster = {
            "apiVersion": "cli.kyverno.io/v1alpha1",
            "kind": "ClusterResource",
            "metadata": {"name": "cluster"},
            "spec": {"resources": [*namespaces, *things], "crds": ["definition.yaml"]},
        }
        (case / "definition.yaml").write_text(yaml.safe_dump(pipeline_run_definition()))
        (case / "cluster.yaml").write_text(yaml.safe_dump(cluster))
        (case / "run.yaml").write_text(yaml.safe_dump(run_in(namespace)))
        answers[namespace] = next(
            word
            for word in ("fail", "pass", "skip", "error")
            if _agrees(kyverno, case, policy, namespace, word)
        )
    return answers


def _agrees(kyverno: str, case: Path, policy: str, namespace: str, word: str) -> bool:
    """Return whether Kyverno's result for a run is a word."""
    of_kind = (
        {"isValidatingPolicy": True}
        if policy == "validatingpolicy"
        else {"rule": "critical" if namespace == RELENG else "standard"}
    )
    expected = {
        "policy": "etcd-shield", "kind": "PipelineRun", "resources": [f"run-{namespace}"],
        "result": word, **of_kind,
    }  # fmt: skip
    test = {
        "apiVersion": "cli.kyverno.io/v1alpha1",
        "kind": "Test",
        "metadata": {"name": "test"},
        "policies": ["policy.yaml"],
        "resources": ["run.yaml"],
        "clusterResources": ["cluster.yaml"],
        "results": [expected],
    }
    (case / "kyverno-test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [kyverno, "test", str(case)], capture_output=True, text=True, check=False, timeout=SECONDS
    )
    assert "Loading test" in done.stdout, done.stdout + done.stderr
    return 0 == done.returncode


@pytest.mark.parametrize("policy", POLICIES)
def test_a_tier_that_is_denied_is_refused_and_another_is_not(
    kyverno: str, tmp_path: Path, policy: str
) -> None:
    things = [mirrored({"standard": False, "critical": True}, age=10)]
    assert {TEAM: "fail", RELENG: "pass"} == results(kyverno, tmp_path, policy, things)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_tier_that_the_decision_lacks_uses_the_default(
    kyverno: str, tmp_path: Path, policy: str
) -> None:
    things = [mirrored({"standard": False}, age=10)]
    assert {TEAM: "fail", RELENG: "fail"} == results(kyverno, tmp_path, policy, things)


@pytest.mark.parametrize("policy", POLICIES)
def test_an_open_shield_refuses_nobody(kyverno: str, tmp_path: Path, policy: str) -> None:
    things = [mirrored({"standard": True, "critical": True}, age=10)]
    assert {TEAM: "pass", RELENG: "pass"} == results(kyverno, tmp_path, policy, things)


@pytest.mark.parametrize(
    ("policy", "word"), [("clusterpolicy", "skip"), ("validatingpolicy", "pass")]
)
def test_an_old_decision_refuses_nobody(
    kyverno: str, tmp_path: Path, policy: str, word: str
) -> None:
    things = [mirrored({"standard": False, "critical": False}, age=400)]
    assert {TEAM: word, RELENG: word} == results(kyverno, tmp_path, policy, things)


@pytest.mark.parametrize(
    ("policy", "word"), [("clusterpolicy", "error"), ("validatingpolicy", "skip")]
)
def test_without_the_config_map_nobody_is_refused(
    kyverno: str, tmp_path: Path, policy: str, word: str
) -> None:
    # An error of a ClusterPolicy refuses nobody where its failure policy is Ignore. An error of a
    # ValidatingPolicy would refuse, so that one must not get there.
    spec = yaml.safe_load((EXAMPLES / f"{policy}.yaml").read_text())["spec"]
    assert "Ignore" == (spec.get("failurePolicy") or spec["webhookConfiguration"]["failurePolicy"])
    assert {TEAM: word, RELENG: word} == results(kyverno, tmp_path, policy, [])
