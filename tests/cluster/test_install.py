"""The chart in pods, as its README says."""

import json

import pytest

from tests.cluster.release import COMPONENTS, NAME, Release

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.shows("N4")
async def test_helm_test_passes_shows_its_log_and_exits_0(shield: Release) -> None:
    done = await shield.node.commands.helm_test(NAME, f"--namespace={NAME}", "--logs")
    assert 0 == done.status, done.err
    assert "the webhook answers over TLS" in done.out


async def test_every_pod_runs_in_a_restricted_namespace_without_a_restart(shield: Release) -> None:
    pods = [pod for component in COMPONENTS for pod in await shield.pods(component)]
    containers = [c for pod in pods for c in pod["status"]["containerStatuses"]]
    assert 4 <= len(containers)
    assert {0} == {container["restartCount"] for container in containers}


@pytest.mark.shows("trial S12", "N2")
async def test_a_redis_image_whose_default_is_protected_mode_serves_the_pods(
    shield: Release,
) -> None:
    # The image is Debian's, which keeps Redis' own default; the official image patches it away.
    done = await shield.node.commands.kubectl(
        "exec", f"--namespace={NAME}", f"statefulset/{NAME}-redis", "--",
        "redis-server", "--version",
    )  # fmt: skip
    assert 0 == done.status, done.err
    assert 1 == await shield.metric("admitter", "etcd_shield_redis_up")
    assert 1 == await shield.metric("evaluator", "etcd_shield_lease_held")


@pytest.mark.parametrize("component", ["evaluator", "admitter"])
async def test_each_line_of_a_services_log_is_an_event(shield: Release, component: str) -> None:
    path = f"{shield.pods_path}/{await shield.pod(component)}/log"
    lines = (await shield.node.api.text(path)).splitlines()
    assert f"{component} started" in [json.loads(line)["event"] for line in lines]
