"""What users do with a release: install the chart from a registry, with images from there."""

from typing import Any

import pytest
import yaml

from tests.release.conftest import OWNER, Release
from tests.rig.apiserver import KubeApiServer
from tests.rig.commands import run
from tools.release.versions import services

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def helm(release: Release, *arguments: str) -> str:
    ended = await run(release.helm, *arguments)
    assert 0 == ended.status, ended.said
    return ended.out


async def rendered(release: Release, *arguments: str) -> list[dict[str, Any]]:
    source = (release.chart, f"--version={release.version}", "--plain-http")
    text = await helm(release, "template", "etcd-shield", *source, *arguments)
    return [found for found in yaml.safe_load_all(text) if found]


def images(objects: list[dict[str, Any]]) -> set[str]:
    return {
        container["image"]
        for found in objects
        if found["kind"] in {"Deployment", "StatefulSet"}
        for container in found["spec"]["template"]["spec"]["containers"]
    }


async def test_the_registry_has_every_image_and_the_chart(release: Release) -> None:
    expected = [f"{OWNER}/etcd-shield-{service}" for service in services()]
    expected.append(f"{OWNER}/charts/etcd-shield")
    assert sorted(expected) == await release.registry.repositories()
    for name in expected:
        assert [release.version] == await release.registry.tags(name)


async def test_helm_installs_from_the_registry_without_a_value(
    release: Release, cluster: KubeApiServer
) -> None:
    here = (f"--kubeconfig={cluster.kubeconfig}", "--namespace=etcd-shield")
    source = (release.chart, f"--version={release.version}", "--plain-http")
    await helm(release, "install", "etcd-shield", *source, *here, "--create-namespace")
    text = await helm(release, "get", "manifest", "etcd-shield", *here)
    installed = images([found for found in yaml.safe_load_all(text) if found])
    for service in ("evaluator", "admitter"):
        assert f"{release.images}/etcd-shield-{service}:{release.version}" in installed


@pytest.mark.parametrize("values", [(), ("--set=hold.enabled=true",)], ids=["default", "holding"])
async def test_every_image_of_ours_that_the_chart_names_is_in_the_registry(
    release: Release, values: tuple[str, ...]
) -> None:
    ours = {image for image in images(await rendered(release, *values)) if "etcd-shield-" in image}
    assert ours
    for image in ours:
        repository, _, tag = image.removeprefix(f"{release.registry.address}/").rpartition(":")
        assert tag in await release.registry.tags(repository)


async def test_a_mirror_wins_over_the_registry_of_the_release(release: Release) -> None:
    objects = await rendered(release, "--set=image.registry=mirror.example.com")
    assert f"mirror.example.com/etcd-shield-admitter:{release.version}" in images(objects)
