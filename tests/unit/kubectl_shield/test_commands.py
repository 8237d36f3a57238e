"""What each subcommand asks of kubectl, and what it makes of the answers."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kubectl_shield.held_runs import held_runs, table
from tests.unit.kubectl_shield.conftest import Plugin
from tests.unit.kubectl_shield.fake_kubectl import FakeKubectl

NAMESPACE = "--namespace=etcd-shield"
CONTROLLER = (
    "--selector=app.kubernetes.io/part-of=etcd-shield,app.kubernetes.io/component=controller"
)
EVALUATOR = ["exec", "deployment.apps/shield-evaluator", "--container=evaluator", "--"]


def held(name: str, created: str, because: str = "no room", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ci",
            "name": name,
            "creationTimestamp": created,
            "labels": {"etcd-shield.dev/held": "standard", **labels},
            "annotations": {"etcd-shield.dev/held-because": because},
        }
    }


def listed(*runs: dict[str, Any]) -> str:
    return json.dumps({"items": list(runs)})


def test_status_runs_in_the_evaluators_pod(plugin: Plugin, kubectl: FakeKubectl) -> None:
    kubectl.answer(["exec"], "prod, tier standard: admitting\n")
    done = plugin("status", "--tier", "critical", "--output", "table")
    assert (0, "prod, tier standard: admitting\n") == (done.returncode, done.stdout)
    expected = [*EVALUATOR, "shield-evaluator", "status", "--tier=critical", "--output=table"]
    assert [NAMESPACE, *expected] == kubectl.calls[-1].arguments


@pytest.mark.parametrize("code", [1, 3, 4])
def test_the_exit_code_is_that_of_the_program_in_the_pod(
    plugin: Plugin, kubectl: FakeKubectl, code: int
) -> None:
    kubectl.answer(["exec"], code=code)
    assert code == plugin("status").returncode


def test_cluster_and_namespace_are_given_to_every_call(
    plugin: Plugin, kubectl: FakeKubectl
) -> None:
    kubectl.answer(["exec"])
    plugin("--context", "prod", "--kubeconfig", "k", "--namespace", "shield", "status")
    first_words = [call.arguments[:3] for call in kubectl.calls]
    assert [["--context=prod", "--kubeconfig=k", "--namespace=shield"]] * 2 == first_words


def test_a_namespace_without_a_shield_is_named(plugin: Plugin, kubectl: FakeKubectl) -> None:
    kubectl.forget()
    kubectl.answer(["get", "deployments"], "")
    done = plugin("status")
    assert 2 == done.returncode
    assert "namespace etcd-shield has no evaluator of an etcd-shield" in done.stderr


def test_the_words_of_a_failing_kubectl_are_shown_once(
    plugin: Plugin, kubectl: FakeKubectl
) -> None:
    kubectl.answer(["get", "deployments", CONTROLLER], err="error: Forbidden\n", code=1)
    done = plugin("queue")
    assert (1, "error: Forbidden\n") == (done.returncode, done.stderr)


def test_without_kubectl_there_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kubectl_shield", "status"],
        check=False, capture_output=True, text=True, env={"PATH": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert (1, "Error: kubectl is not on PATH\n") == (done.returncode, done.stderr)


def test_oc_serves_where_kubectl_is_missing(tmp_path: Path) -> None:
    oc = FakeKubectl(tmp_path, name="oc")
    oc.answer(["get", "deployments"], "")
    oc.answer(["get"], listed())
    done = subprocess.run(
        [sys.executable, "-m", "kubectl_shield", "queue", "--output", "table"],
        check=True, capture_output=True, text=True, env={"PATH": str(tmp_path)}, timeout=60,
    )  # fmt: skip
    assert "no run is held\n" == done.stdout


def test_explain_sends_the_object_and_who_asks(
    plugin: Plugin, kubectl: FakeKubectl, tmp_path: Path
) -> None:
    kubectl.answer(["exec"], "admitted\n")
    manifest = tmp_path / "run.yaml"
    manifest.write_text("kind: PipelineRun\n")
    assert "admitted\n" == plugin("explain", "--filename", str(manifest)).stdout
    call = kubectl.calls[-1]
    assert "kind: PipelineRun\n" == call.given
    assert [
        NAMESPACE, "exec", "--stdin", "deployment.apps/shield-admitter", "--container=admitter",
        "--", "shield-admitter", "explain", "--filename=-", "--output=text", "--user=jane",
        "--group=ops", "--group=system:authenticated",
    ] == call.arguments  # fmt: skip


def test_explain_reads_standard_input_for_another_user(
    plugin: Plugin, kubectl: FakeKubectl
) -> None:
    kubectl.answer(["exec"], code=3)
    done = plugin("explain", "-f", "-", "--user", "bot", "--namespace", "ci", given="{}")
    assert (3, "{}") == (done.returncode, kubectl.calls[-1].given)
    assert ["--user=bot", "--namespace=ci"] == kubectl.calls[-1].arguments[-2:]


def test_an_override_names_the_user_of_the_cluster(plugin: Plugin, kubectl: FakeKubectl) -> None:
    kubectl.answer(["exec"])
    plugin("override", "allow", "--tier", "critical", "--for", "30m", "--reason", "release 4.2")
    assert [
        *EVALUATOR, "shield-evaluator", "override", "allow", "--tier", "critical", "--for", "30m",
        "--reason", "release 4.2", "--by=jane",
    ] == kubectl.calls[-1].arguments[1:]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("allow", "--all", "--by=ops on call"), id="a name of one's own"),
        pytest.param(("allow", "--help"), id="help"),
        pytest.param(("clear",), id="clear"),
        pytest.param(("show", "--output", "json"), id="show"),
    ],
)
def test_other_overrides_are_passed_on_as_they_are(
    plugin: Plugin, kubectl: FakeKubectl, arguments: tuple[str, ...]
) -> None:
    kubectl.answer(["exec"])
    plugin("override", *arguments)
    assert ["override", *arguments] == kubectl.calls[-1].arguments[-1 - len(arguments) :]


@pytest.fixture
def without_controller(kubectl: FakeKubectl) -> FakeKubectl:
    """A shield that holds nothing: no deployment of the controller."""
    kubectl.answer(["get", "deployments", CONTROLLER], "")
    return kubectl


def test_the_controller_knows_the_order_of_the_queue(plugin: Plugin, kubectl: FakeKubectl) -> None:
    kubectl.answer(["get", "deployments", CONTROLLER], "deployment.apps/shield-controller\n")
    kubectl.answer(["exec"], "1  standard  ci  run\n")
    done = plugin("queue", "--namespace", "ci", "--output", "table")
    assert (0, "1  standard  ci  run\n") == (done.returncode, done.stdout)
    expected = ["--", "shield-controller", "queue", "--namespace=ci", "--output=table"]
    assert expected == kubectl.calls[-1].arguments[-5:]


def test_without_a_controller_held_runs_are_listed_by_label(
    plugin: Plugin, without_controller: FakeKubectl
) -> None:
    without_controller.answer(["get"], listed(held("late", "2026-11-25T12:00:00Z")))
    done = plugin("queue")
    assert [
        "get", "pipelineruns.tekton.dev", "--all-namespaces", "--selector=etcd-shield.dev/held",
        "--output=json",
    ] == without_controller.calls[-1].arguments  # fmt: skip
    assert [
        {
            "tier": "standard",
            "namespace": "ci",
            "name": "late",
            "created": "2026-11-25T12:00:00Z",
            "because": "no room",
        }
    ] == json.loads(done.stdout)


def test_the_queue_of_one_namespace(plugin: Plugin, without_controller: FakeKubectl) -> None:
    without_controller.answer(["get"], listed())
    plugin("queue", "--namespace", "releng")
    assert "--namespace=releng" == without_controller.calls[-1].arguments[2]


def test_the_oldest_run_is_first() -> None:
    runs = held_runs(
        listed(held("late", "2026-11-25T12:00:00Z"), held("early", "2026-11-25T11:00:00Z"))
    )
    assert ["early", "late"] == [run.name for run in runs]


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-25T11:59:18Z", "42s"),
        ("2026-11-25T11:30:00Z", "30m"),
        ("2026-11-25T09:00:00Z", "3h"),
        ("2026-11-23T11:00:00Z", "2d"),
        ("2026-11-25T12:00:05Z", "0s"),
    ],
    ids=["seconds", "minutes", "hours", "days", "a clock that is ahead"],
)
def test_how_long_a_run_waits(created: str, expected: str) -> None:
    text = table(
        held_runs(listed(held("run", created))), now=datetime(2026, 11, 25, 12, tzinfo=UTC)
    )
    assert f"standard  ci         run   {expected:5}  no room" == text.splitlines()[1]


def test_an_annotation_cannot_steer_the_terminal() -> None:
    run = held("run", "2026-11-25T11:00:00Z", because="\x1b[2Jcleared")
    text = table(held_runs(listed(run)), now=datetime(2026, 11, 25, 12, tzinfo=UTC))
    assert r"\x1b[2Jcleared" in text
    assert "\x1b" not in text
