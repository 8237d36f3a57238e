"""The plugin as a process beside a fake kubectl."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.kubectl_shield.fake_kubectl import FakeKubectl

Plugin = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def kubectl(tmp_path: Path) -> FakeKubectl:
    """A kubectl that knows one evaluator and one admitter, and a user."""
    fake = FakeKubectl(tmp_path)
    for component in ("evaluator", "admitter"):
        selector = (
            "--selector=app.kubernetes.io/part-of=etcd-shield,"
            f"app.kubernetes.io/component={component}"
        )
        fake.answer(["get", "deployments", selector], f"deployment.apps/shield-{component}\n")
    fake.answer(
        ["auth", "whoami"],
        '{"status": {"userInfo": {"username": "jane", "groups": ["ops", "system:authenticated"]}}}',
    )
    return fake


@pytest.fixture
def plugin(kubectl: FakeKubectl) -> Plugin:
    """Runs `kubectl-shield` with arguments, and with a text as standard input."""

    def run(*arguments: str, given: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "kubectl_shield", *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=given,
            env={"PATH": str(kubectl.directory)},
            timeout=60,
        )

    return run
