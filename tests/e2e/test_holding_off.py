"""Row H7: what is held is released before the controller goes, on a real API server.

A second release holds; nothing runs its pods. The API server has no controller for Jobs, so the
tests do its part: they run the command of the chart's Job, and say in its status how it ended.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.installation import CHANGE_SECONDS, CHART, RELEASE, Installation
from tests.e2e.objects import namespace, pipeline_run
from tests.rig.commands import Ended, run
from tests.rig.kubernetes import installed
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.services import service_script
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PLACE, TEAM = "holding", "held-team"
RUNS = f"/apis/tekton.dev/v1/namespaces/{TEAM}/pipelineruns"
JOB = f"/apis/batch/v1/namespaces/{PLACE}/jobs/{RELEASE}-release"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
WEBHOOK = f"{ADMISSION}/mutatingwebhookconfigurations/zz-{PLACE}-{RELEASE}-hold"
ACCOUNT = f"/api/v1/namespaces/{PLACE}/serviceaccounts/{RELEASE}-release"
ROLE = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{PLACE}-{RELEASE}-release"
CONTROLLER = f"/apis/apps/v1/namespaces/{PLACE}/deployments/{RELEASE}-controller"
HELD = "etcd-shield.dev/held"
VALUES: dict[str, Any] = {
    "cluster": "e2e",
    "image": {"registry": "registry.example.com"},
    "hold": {"enabled": True},
    # Nobody answers.
    "webhook": {
        "failurePolicy": "Ignore",
        "timeoutSeconds": 1,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": TEAM}},
    },
}
COMPLETE = ("SuccessCriteriaMet", "Complete")
FAILED = ("FailureTarget", "Failed")


def held_run() -> Object:
    """Return a run as the admitters hold it."""
    made = pipeline_run()
    made["metadata"]["labels"] = {HELD: "standard"}
    made["metadata"]["annotations"] = {f"{HELD}-because": "etcd is at 93.4% of its quota"}
    made["spec"]["status"] = "PipelineRunPending"
    return made


@pytest_asyncio.fixture(loop_scope="session")
async def holding(shield: Installation) -> AsyncIterator[Installation]:
    """A second release that holds, with three held runs and one that its owner created pending."""
    await shield.commands.apply(namespace(PLACE), namespace(TEAM))
    await shield.commands.helm("install", RELEASE, str(CHART), f"--namespace={PLACE}", given=VALUES)
    pending = held_run()
    del pending["metadata"]["labels"], pending["metadata"]["annotations"]
    for made in (held_run(), held_run(), held_run(), pending):
        assert HTTPStatus.CREATED == (await shield.api.create(made, namespace=TEAM)).status
    yield shield
    await shield.commands.helm_uninstall(RELEASE, f"--namespace={PLACE}", "--no-hooks")
    await shield.api.delete(f"{JOB}?propagationPolicy=Background")
    for path in (RUNS, WEBHOOK, ACCOUNT, ROLE, ROLE.replace("roles/", "rolebindings/")):
        await shield.api.delete(path)
    for name in (PLACE, TEAM):
        await shield.commands.kubectl("delete", "namespace", name, "--wait=false")
        await shield.commands.kubectl(
            "replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f", "-",
            given={**namespace(name), "spec": {"finalizers": []}},
        )  # fmt: skip
        await shield.api.wait_gone(f"/api/v1/namespaces/{name}", within=CHANGE_SECONDS)


async def held(api: KubernetesApi) -> int:
    """Count the runs that wait because of the shield."""
    return sum(HELD in thing["metadata"].get("labels", {}) for thing in await api.items(RUNS))


async def pending(api: KubernetesApi) -> int:
    """Count the runs that wait for whatever reason."""
    return sum("status" in thing["spec"] for thing in await api.items(RUNS))


async def upgraded(shield: Installation, **changes: Any) -> Ended:
    """Upgrade the second release; unlike `Commands.helm` this may fail."""
    settings = [f"--set={key}={value}" for key, value in changes.items()]
    return await shield.commands.run(
        "helm", "upgrade", RELEASE, str(CHART), f"--namespace={PLACE}", "--reuse-values",
        "--timeout=90s", *settings,
    )  # fmt: skip


async def uninstalled(shield: Installation) -> Ended:
    return await shield.commands.helm_uninstall(RELEASE, f"--namespace={PLACE}")


async def job(api: KubernetesApi, command: asyncio.Task[Ended]) -> Object:
    """Wait for the Job of a helm command."""

    async def there() -> bool:
        assert not command.done(), await command
        return HTTPStatus.OK == (await api.get(JOB)).status

    await wait_until(there, within=CHANGE_SECONDS, what="the job", every=0.2)
    return (await api.get(JOB)).body


async def next_job(api: KubernetesApi, first: Object, command: asyncio.Task[Ended]) -> Object:
    """Wait for the Job that takes another's place."""

    async def there() -> bool:
        assert not command.done(), await command
        found = (await api.get(JOB)).body.get("metadata", {})
        return bool(found.get("uid", first["metadata"]["uid"]) != first["metadata"]["uid"])

    await wait_until(there, within=CHANGE_SECONDS, what="another job", every=0.2)
    return (await api.get(JOB)).body


async def run_job(shield: Installation, made: Object) -> None:
    """Run the command of a Job's pod, with the test's own credentials."""
    (container,) = made["spec"]["template"]["spec"]["containers"]
    program, *arguments = container["command"]
    kubeconfig = f"--kubeconfig={shield.controller.kubeconfig}"
    done = await run(service_script(program), *arguments, kubeconfig)
    assert 0 == done.status, done.err + done.out


async def end_job(api: KubernetesApi, conditions: tuple[str, str]) -> None:
    """Say in the Job's status how it ended."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    status: Object = {
        "startTime": now,
        "conditions": [
            {"type": kind, "status": "True", "reason": "Test", "lastTransitionTime": now}
            for kind in conditions
        ],
    }
    if conditions == COMPLETE:
        status |= {"completionTime": now, "succeeded": 1}
    reply = await api.patch(f"{JOB}/status", {"status": status})
    assert HTTPStatus.OK == reply.status, reply.message


async def test_h7_uninstalling_releases_everything_first(holding: Installation) -> None:
    api = holding.api
    command = asyncio.create_task(uninstalled(holding))
    made = await job(api, command)
    # Nothing is held any more, and whoever releases is still there.
    assert [] == (await api.get(WEBHOOK)).body.get("webhooks", [])
    assert HTTPStatus.OK == (await api.get(CONTROLLER)).status
    await run_job(holding, made)
    await end_job(api, COMPLETE)
    done = await command
    assert 0 == done.status, done.err
    assert (0, 1) == (await held(api), await pending(api))
    for path in (CONTROLLER, WEBHOOK, JOB, ACCOUNT, ROLE):
        assert HTTPStatus.NOT_FOUND == (await api.get(path)).status, path


async def test_h7_a_job_that_fails_ends_the_uninstallation_with_everything_in_place(
    holding: Installation,
) -> None:
    api = holding.api
    command = asyncio.create_task(uninstalled(holding))
    made = await job(api, command)
    # It cannot block the command for ever.
    assert made["spec"]["activeDeadlineSeconds"] < 300
    await end_job(api, FAILED)
    assert 0 != (await command).status
    assert HTTPStatus.OK == (await api.get(CONTROLLER)).status
    assert 3 == await held(api)

    again = asyncio.create_task(uninstalled(holding))
    await run_job(holding, await next_job(api, made, again))
    await end_job(api, COMPLETE)
    done = await again
    assert 0 == done.status, done.err
    assert 0 == await held(api)


async def test_h7_switching_holding_off_releases_what_is_held(holding: Installation) -> None:
    api = holding.api
    command = asyncio.create_task(upgraded(holding, **{"hold.enabled": "false"}))
    made = await job(api, command)
    assert HTTPStatus.NOT_FOUND == (await api.get(WEBHOOK)).status
    await run_job(holding, made)
    await end_job(api, COMPLETE)
    done = await command
    assert 0 == done.status, done.err
    assert (0, 1) == (await held(api), await pending(api))
    assert HTTPStatus.NOT_FOUND == (await api.get(JOB)).status
    # Once is enough: the next upgrade waits for no job.
    done = await upgraded(holding)
    assert 0 == done.status, done.err


async def test_h7_after_a_job_that_failed_the_next_upgrade_tries_again(
    holding: Installation,
) -> None:
    api = holding.api
    command = asyncio.create_task(upgraded(holding, **{"hold.enabled": "false"}))
    made = await job(api, command)
    await end_job(api, FAILED)
    assert 0 != (await command).status
    assert 3 == await held(api)

    # As with the same values file: helm reuses values of revisions that did not fail.
    again = asyncio.create_task(upgraded(holding, **{"hold.enabled": "false"}))
    await run_job(holding, await next_job(api, made, again))
    await end_job(api, COMPLETE)
    done = await again
    assert 0 == done.status, done.err
    assert 0 == await held(api)


async def test_h7_an_upgrade_that_goes_on_holding_releases_nothing(holding: Installation) -> None:
    done = await upgraded(holding, **{"hold.maxRuns": "7"})
    assert 0 == done.status, done.err
    assert HTTPStatus.NOT_FOUND == (await holding.api.get(JOB)).status
    assert 3 == await held(holding.api)


async def test_h7_kubectl_alone_releases_what_is_held_as_the_readme_says(
    holding: Installation, tmp_path: Path
) -> None:
    blocks = re.findall(r"(?ms)^```\n(.*?)^```$", (CHART / "README.md").read_text())
    (script,) = (block for block in blocks if "while read" in block)
    environment = {
        "PATH": f"{installed('apiserver')}:{os.environ['PATH']}",
        "KUBECONFIG": str(holding.controller.kubeconfig),
        "KUBECACHEDIR": str(tmp_path),
    }
    assert HTTPStatus.OK == (await holding.api.delete(WEBHOOK)).status
    done = await run("bash", "-c", script, environment=environment)
    assert 0 == done.status, done.err
    assert (0, 1) == (await held(holding.api), await pending(holding.api))
