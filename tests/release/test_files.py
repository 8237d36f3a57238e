"""The files of a release: complete, whole, and fit for where they are used."""

import hashlib
import json
import os
import re
import sys
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.release.conftest import URL, Release
from tests.rig.commands import run
from tests.unit.kubectl_shield.fake_kubectl import FakeKubectl
from tools.release.versions import ROOT, distributions, services

pytestmark = pytest.mark.asyncio(loop_scope="session")
PLATFORMS = {"amd64": "x86_64", "arm64": "aarch64"}


def pins(name: str) -> set[str]:
    """Return what a file under requirements/ names for Linux, as name-version of a wheel."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    found = re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)(.*)", text, re.MULTILINE)
    return {
        f"{package.lower().replace('-', '_').replace('.', '_')}-{release}"
        for package, release, rest in found
        if ";" not in rest
    }


def members(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return {member.name for member in opened.getmembers()}


async def test_every_distribution_has_a_wheel(release: Release) -> None:
    expected = {f"{path.name}-{release.version}" for path in distributions()}
    expected = {
        name if name.startswith(("shield_", "kubectl_")) else f"shield_{name}" for name in expected
    }
    wheels = {path.name.removesuffix("-py3-none-any.whl") for path in release.files.glob("*.whl")}
    assert expected == wheels


@pytest.mark.parametrize("platform", PLATFORMS)
async def test_a_wheelhouse_has_every_pin_of_every_image(release: Release, platform: str) -> None:
    name = f"etcd-shield-{release.version}-wheelhouse-linux-{platform}.tar.gz"
    wheels = {Path(member).name for member in members(release.files / name)}
    has = {"-".join(wheel.lower().split("-")[:2]) for wheel in wheels}
    wanted = set.union(*(pins(file) for file in ("build", *services())))
    assert set() == wanted - has
    foreign = {
        wheel for wheel in wheels if not wheel.endswith(("-any.whl", f"{PLATFORMS[platform]}.whl"))
    }
    assert set() == foreign


@pytest.mark.parametrize("service", services())
async def test_a_bill_of_materials_names_every_pin(release: Release, service: str) -> None:
    file = release.files / f"etcd-shield-{service}-{release.version}.cdx.json"
    bill = json.loads(file.read_text())
    assert ("CycloneDX", f"shield-{service}") == (
        bill["bomFormat"],
        bill["metadata"]["component"]["name"],
    )
    has = {
        f"{part['name'].lower().replace('-', '_').replace('.', '_')}-{part['version']}"
        for part in bill["components"]
    }
    assert set() == pins(service) - has


async def test_the_plugin_in_one_file_needs_nothing_but_python(
    release: Release, tmp_path: Path
) -> None:
    with tarfile.open(release.files / f"kubectl-shield-{release.version}.tar.gz") as opened:
        opened.extractall(tmp_path, filter="data")
    kubectl = FakeKubectl(tmp_path)
    kubectl.answer(["get", "deployments"], "deployment.apps/shield-evaluator\n")
    kubectl.answer(["exec"], "admitting\n", code=3)
    # The interpreter outside of this virtual environment, and -I: nothing that is installed here.
    outside = sys._base_executable  # type: ignore[attr-defined] # noqa: SLF001 - it has no other name
    done = await run(
        outside, "-I", tmp_path / "kubectl-shield", "status", environment={"PATH": str(tmp_path)}
    )
    assert (3, "admitting\n") == (done.status, done.out), done.err
    assert os.access(tmp_path / "kubectl-shield", os.X_OK)


async def test_krew_gets_the_plugin_of_this_release(release: Release) -> None:
    manifest = yaml.safe_load((release.files / "shield.krew.yaml").read_text())
    (platform,) = manifest["spec"]["platforms"]
    name = f"kubectl-shield-{release.version}.tar.gz"
    assert f"v{release.version}" == manifest["spec"]["version"]
    assert f"{URL}/releases/download/v{release.version}/{name}" == platform["uri"]
    digest = hashlib.sha256((release.files / name).read_bytes()).hexdigest()
    assert digest == platform["sha256"]
    files = {entry["from"] for entry in platform["files"]}
    assert files == members(release.files / name)
    assert platform["bin"] in files


async def test_every_published_file_is_in_the_checksums(release: Release) -> None:
    done = await run("sha256sum", "--check", "--strict", "SHA256SUMS", directory=release.files)
    assert 0 == done.status, done.err
    listed = {line.partition(":")[0] for line in done.out.splitlines()}
    assert {path.name for path in release.files.iterdir()} - {"SHA256SUMS", "notes.md"} == listed
