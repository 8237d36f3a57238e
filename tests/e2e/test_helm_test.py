"""`helm test`: helm creates the pod, and the test runs its command in place of a node."""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.installation import (
    CHANGE_SECONDS,
    NAMESPACE,
    RELEASE,
    START_SECONDS,
    Installation,
    config_map,
)
from tests.e2e.installation import secret as secret_of
from tests.rig.commands import Ended, run
from tests.rig.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="session")

POD = f"/api/v1/namespaces/{NAMESPACE}/pods/{RELEASE}-test"
# The cluster's DNS: its names are on this machine. Python imports this file when it starts.
DNS = """\
import socket

real = socket.getaddrinfo


def getaddrinfo(host, *args, **kwargs):
    return real("127.0.0.1" if host.endswith(".svc") else host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo
"""


@dataclass(frozen=True)
class Outcome:
    """The result of `helm test`.

    Attributes:
        helm: The result of the command.
        out: The output of the pod's container.
        left: Whether the pod exists afterwards.
    """

    helm: Ended
    out: str
    left: bool


async def _pod(shield: Installation, old: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def there() -> bool:
        found.clear()
        found.update((await shield.api.get(POD)).body)
        return bool("Pod" == found["kind"] and old != found["metadata"]["uid"])

    await wait_until(there, within=CHANGE_SECONDS, what="helm's pod")
    return found


async def _mounted(shield: Installation, pod: dict[str, Any], root: Path) -> None:
    """Write the pod's volumes below `root`, where its container would see them."""
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    for mount in pod["spec"]["containers"][0]["volumeMounts"]:
        directory = root / mount["mountPath"].lstrip("/")
        directory.mkdir(parents=True)
        volume = volumes[mount["name"]]
        if "configMap" in volume:
            for key, text in (await config_map(shield.api, volume["configMap"]["name"])).items():
                (directory / key).write_text(text)
        else:
            data = await secret_of(shield.api, volume["secret"]["secretName"])
            for item in volume["secret"]["items"]:
                (directory / item["path"]).write_bytes(data[item["key"]])


async def _run(shield: Installation, pod: dict[str, Any], root: Path) -> tuple[bool, str]:
    """Run the pod's command; only places differ from what a node would do."""
    container = pod["spec"]["containers"][0]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    environment["WEBHOOK_CA_FILE"] = str(root) + environment["WEBHOOK_CA_FILE"]
    environment["EVALUATOR_READY_URL"] = f"{shield.evaluator.metrics_url}/readyz"
    environment["ADMITTER_READY_URL"] = f"{shield.admitters[0].metrics_url}/readyz"
    environment["CONTROLLER_READY_URL"] = f"{shield.controller.metrics_url}/readyz"
    (root / "sitecustomize.py").write_text(DNS)
    program, script = container["command"]
    assert "python" == program
    environment |= {"PATH": os.environ["PATH"], "PYTHONPATH": str(root)}
    ended = await run(sys.executable, str(root) + script, environment=environment)
    return 0 == ended.status, ended.said


async def helm_tests(shield: Installation, root: Path) -> Outcome:
    """Run `helm test`, and its pod."""
    # A passed test's pod stays for its log, so the next test begins by deleting it.
    old = (await shield.api.get(POD)).body.get("metadata", {}).get("uid")
    helm = asyncio.create_task(shield.commands.helm_test(RELEASE, f"--namespace={NAMESPACE}"))
    pod = await _pod(shield, old)
    await _mounted(shield, pod, root)
    succeeded, out = await _run(shield, pod, root)
    status = {"status": {"phase": "Succeeded" if succeeded else "Failed"}}
    patched = await shield.commands.kubectl(
        "patch", "pod", pod["metadata"]["name"], f"--namespace={NAMESPACE}",
        "--subresource=status", "--type=merge", f"--patch={json.dumps(status)}",
    )  # fmt: skip
    assert 0 == patched.status, patched.err
    done = await helm
    return Outcome(helm=done, out=out, left="Pod" == (await shield.api.get(POD)).body["kind"])


@pytest.mark.shows("N4")
async def test_helm_test_passes_when_the_services_are_ready_and_keeps_its_pod_for_the_log(
    shield: Installation, tmp_path: Path
) -> None:
    outcome = await helm_tests(shield, tmp_path)
    said = [line.partition(":")[0] for line in outcome.out.splitlines()]
    services = [f"{name} is ready" for name in ("evaluator", "admitter", "controller")]
    assert [*services, "the webhook answers over TLS"] == said
    assert (0, True) == (outcome.helm.status, outcome.left), outcome.helm.err


async def test_helm_test_names_the_service_that_does_not_answer(
    shield: Installation, tmp_path: Path
) -> None:
    await shield.evaluator.stop()
    try:
        outcome = await helm_tests(shield, tmp_path)
    finally:
        await shield.evaluator.start(within=START_SECONDS)
    assert outcome.out.startswith("FAILED: evaluator: <urlopen error [Errno"), outcome.out
    assert (1, True) == (outcome.helm.status, outcome.left), outcome.helm.err
