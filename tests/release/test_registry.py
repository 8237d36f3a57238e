"""What users do with a release: install the chart from a registry, with images from there."""

import subprocess
from typing import Any

import pytest
import yaml

from tests.release.conftest import OWNER, Release
from tools.release.versions import services

pytestmark = pytest.mark.asyncio(loop_scope="session")


def rendered(release: Release, *arguments: str) -> list[dict[str, Any]]:
    done = subprocess.run(
        [release.helm, *arguments, f"--version={release.version}", "--plain-http"],
        check=True, capture_output=True, text=True, timeout=180,
    )  # fmt: skip
    # `install` prints a report before the manifest, and the notes after it.
    manifest = done.stdout.partition("MANIFEST:\n")[2] or done.stdout
    manifest = manifest.partition("\nNOTES:\n")[0]
    return [found for found in yaml.safe_load_all(manifest) if found]


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


async def test_the_chart_installs_from_the_registry_without_a_value(release: Release) -> None:
    arguments = ("install", "etcd-shield", release.chart, "--namespace=shield", "--dry-run=client")
    found = images(rendered(release, *arguments))
    for service in ("evaluator", "admitter"):
        assert f"{release.images}/etcd-shield-{service}:{release.version}" in found


async def test_every_image_that_the_chart_names_is_in_the_registry(release: Release) -> None:
    objects = rendered(
        release, "template", "etcd-shield", release.chart, "--namespace=shield",
        "--values=docs/examples/quickstart/values.yaml", "--set=evaluator.image.pullPolicy=Always",
        "--set=admitter.image.pullPolicy=Always",
    )  # fmt: skip
    ours = {image for image in images(objects) if "etcd-shield-" in image}
    assert ours
    for image in ours:
        repository, _, tag = image.removeprefix(f"{release.registry.address}/").rpartition(":")
        assert tag in await release.registry.tags(repository)


async def test_a_mirror_wins_over_the_registry_of_the_release(release: Release) -> None:
    objects = rendered(
        release, "template", "etcd-shield", release.chart, "--set=image.registry=mirror.example.com"
    )
    assert f"mirror.example.com/etcd-shield-admitter:{release.version}" in images(objects)
