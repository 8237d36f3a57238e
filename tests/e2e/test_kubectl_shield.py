"""The plugin with the real kubectl on a real API server, where nothing runs to execute in."""

import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.objects import pipeline_run_definition
from tests.rig.apiserver import KubeApiServer
from tests.rig.commands import Ended, run
from tests.rig.etcd import EtcdServer
from tests.rig.lifetime import Rig
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")
START_SECONDS = 180.0


class Terminal:
    """kubectl and the plugin on PATH, and the kubeconfig of an administrator."""

    def __init__(self, assets: Path, server: KubeApiServer) -> None:
        path = f"{assets}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        self._environment = {"PATH": path, "KUBECONFIG": str(server.kubeconfig)}

    async def kubectl(self, *arguments: str, given: str = "") -> Ended:
        environment = {**self._environment, "HOME": "/nonexistent"}
        return await run("kubectl", *arguments, given=given.encode(), environment=environment)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def terminal(assets: Path) -> AsyncIterator[Terminal]:
    """An API server that knows PipelineRuns and has two of them, one of which is held."""
    async with Rig() as rig:
        etcd = EtcdServer(rig)
        await etcd.start()
        server = KubeApiServer(rig, assets, etcd)
        await server.start(within=START_SECONDS)
        terminal = Terminal(assets, server)
        definition = json.dumps(pipeline_run_definition())
        applied = await terminal.kubectl("apply", "--filename=-", given=definition)
        assert 0 == applied.status, applied.said

        async def known() -> bool:
            return 0 == (await terminal.kubectl("get", "pipelineruns.tekton.dev")).status

        await wait_until(known, within=START_SECONDS, what="PipelineRuns to be known")
        for name, labels in (("held", {"etcd-shield.dev/held": "standard"}), ("free", {})):
            created = await terminal.kubectl(
                "create", "--filename=-", given=json.dumps(pipeline_run(name, labels))
            )
            assert 0 == created.status, created.said
        yield terminal


def pipeline_run(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": "PipelineRun",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"status": "PipelineRunPending"},
    }


async def test_kubectl_finds_the_plugin(terminal: Terminal) -> None:
    listed = await terminal.kubectl("plugin", "list")
    assert "kubectl-shield" in listed.out


async def test_the_queue_has_the_held_run_alone(terminal: Terminal) -> None:
    shown = await terminal.kubectl("shield", "queue", "--output", "json")
    assert 0 == shown.status, shown.err
    assert [("standard", "default", "held")] == [
        (run["tier"], run["namespace"], run["name"]) for run in json.loads(shown.out)
    ]


async def test_a_cluster_without_a_shield_is_one_sentence(terminal: Terminal) -> None:
    shown = await terminal.kubectl("shield", "status")
    assert 2 == shown.status
    assert "namespace etcd-shield has no evaluator of an etcd-shield" in shown.err


async def test_a_wrong_context_is_kubectls_own_error(terminal: Terminal) -> None:
    shown = await terminal.kubectl("shield", "--context", "elsewhere", "queue")
    assert 1 == shown.status
    assert 'context "elsewhere" does not exist' in shown.err
