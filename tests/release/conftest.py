"""One release for all tests: its files, a registry with its images and chart, and an API server."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest_asyncio

from tests.cluster import building
from tests.rig.apiserver import KubeApiServer
from tests.rig.commands import run
from tests.rig.etcd import EtcdServer
from tests.rig.kubernetes import installed
from tests.rig.lifetime import Rig
from tests.rig.registry import RegistryServer
from tools.release.__main__ import make_files
from tools.release.versions import ROOT, version

URL = "https://git.example.org/platform/shield"
# Where the owner's images are, below the registry.
OWNER = "platform"
_SECONDS = 900.0


@dataclass(frozen=True, kw_only=True)
class Release:
    """What was made.

    Attributes:
        files: The directory of all files.
        registry: Has the images and the chart.
        version: The version of everything.
        helm: The path of helm.
    """

    files: Path
    registry: RegistryServer
    version: str
    helm: str

    @property
    def images(self) -> str:
        """Host and path of the images."""
        return f"{self.registry.address}/{OWNER}"

    @property
    def chart(self) -> str:
        """The address from which helm installs."""
        return f"oci://{self.images}/charts/etcd-shield"

    @property
    def package(self) -> Path:
        """The packaged chart."""
        return self.files / f"etcd-shield-{self.version}.tgz"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster() -> AsyncIterator[KubeApiServer]:
    """A real API server without nodes: it takes the objects of the chart, or says why not."""
    async with Rig() as rig:
        etcd = EtcdServer(rig)
        await etcd.start()
        server = KubeApiServer(rig, Path(installed("apiserver")), etcd)
        await server.start(within=_SECONDS)
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def release() -> AsyncIterator[Release]:
    """A release whose images and chart are in a registry on loopback."""
    async with Rig() as rig:
        registry = RegistryServer(rig)
        await registry.start()
        made = Release(
            files=rig.directory / "dist",
            registry=registry,
            version=version(),
            helm=installed("helm"),
        )
        make_files(made.files, registry=made.images, url=URL)
        await _push_images(made, rig.directory / "storage")
        charts = f"oci://{made.images}/charts"
        pushed = await run(made.helm, "push", made.package, charts, "--plain-http")
        assert 0 == pushed.status, pushed.said
        yield made


async def _push_images(release: Release, storage: Path) -> None:
    """Build every image and push it, as the workflow does with buildx."""
    buildah = ("buildah", f"--root={storage}", f"--runroot={storage}-run", "--storage-driver=vfs")
    for image in await building.builder().product(ROOT, tag=release.version):
        name = image.name.rpartition("/")[2]
        for command in (
            ("pull", "--quiet", f"docker-archive:{image.archive}"),
            (
                "push",
                "--quiet",
                "--tls-verify=false",
                image.name,
                f"docker://{release.images}/{name}",
            ),
        ):
            ended = await run(*buildah, *command, within=_SECONDS)
            assert 0 == ended.status, ended.said
