"""Container images, built by buildah without a daemon and without a registry.

The product's images come from the repository's Dockerfiles. Their base is made once by debootstrap,
and the wheels that they install are downloaded once for each set of pins; both stay in the cache,
so that after a change of the product only its own wheels are built again.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.rig.errors import RigError

ROOT = Path(__file__).resolve().parents[2]
# Where a user would have pushed the images to. The node has them and pulls nothing.
REGISTRY = "registry.example.com"
SERVICES = ("evaluator", "admitter")
PAUSE = "registry.k8s.io/pause:3.10"
COREDNS = "registry.k8s.io/coredns:local"
REDIS = "docker.io/library/redis:7.4-alpine"

_SUITE = "trixie"  # as in the tag that the Dockerfiles name
_PYTHON = "3.13"  # its Python
_PACKAGES = ("ca-certificates", "netbase", "openssl", "python3", "python3-venv", "tzdata")
# What a container never reads, for images that are imported fast.
_LEFT_OUT = (
    "usr/share/doc/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/man/*",
    "var/cache/apt/*", "var/lib/apt/lists/*",
)  # fmt: skip
_REQUIREMENTS = ("build", *SERVICES)
# What .dockerignore lets through to a build.
_SOURCES = ("LICENSE", "libs", "requirements", "services")
_SECONDS = 1800.0


class ImageError(RigError):
    """An image could not be built; the message ends with the builder's last lines."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image as a file that containerd imports.

    Attributes:
        name: The name that a pod's specification uses.
        archive: A docker-archive, uncompressed.
    """

    name: str
    archive: Path


class Builder:
    """buildah with a storage of its own in the cache.

    Args:
        cache: The directory that outlives a run.
    """

    def __init__(self, cache: Path) -> None:
        self._cache = cache / "images"
        self._cache.mkdir(parents=True, exist_ok=True)
        self._base = ""

    async def product(self, sources: Path, *, tag: str) -> list[Image]:
        """Build both services' images from a directory of sources.

        Args:
            sources: A checkout, or what `git archive` made of one.
            tag: The images' tag.

        Raises:
            ImageError: One could not be built.
        """
        base = await self._base_image()
        wheels = await self._wheelhouse(sources)
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            context = Path(directory)
            for name in _SOURCES:
                _copy(sources / name, context / name)
            shutil.copytree(wheels, context / "wheelhouse", copy_function=os.link)
            return [
                await self._build(
                    f"{REGISTRY}/etcd-shield-{service}:{tag}",
                    context,
                    dockerfile=sources / "services" / service / "Dockerfile",
                    arguments={"BASE_IMAGE": base, "PIP_NO_INDEX": "1"},
                )
                for service in SERVICES
            ]

    async def standins(self, programs: Path) -> list[Image]:
        """Build what a cluster would pull from registries: pause, CoreDNS, Redis.

        Args:
            programs: The directory of `tools/install-kubernetes node`.

        Raises:
            ImageError: One could not be built.
        """
        base = await self._base_image()
        dockerfile = Path(__file__).parent / "standins" / "Dockerfile"
        made = []
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            for target, name in (("pause", PAUSE), ("coredns", COREDNS), ("redis", REDIS)):
                context = Path(directory) / target
                context.mkdir()
                if (programs / target).exists():
                    shutil.copy2(programs / target, context)
                image = await self._build(
                    name, context, dockerfile=dockerfile, target=target,
                    arguments={"BASE_IMAGE": base},
                )  # fmt: skip
                made.append(image)
        return made

    async def _build(
        self,
        name: str,
        context: Path,
        *,
        dockerfile: Path,
        arguments: dict[str, str],
        target: str | None = None,
    ) -> Image:
        replaced = await self._identity(name)
        await self._buildah(
            "build", "--layers", "--pull=false", "--format=docker", f"--tag={name}",
            f"--file={dockerfile}", "--network=host",
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *([f"--target={target}"] if target else []),
            str(context),
        )  # fmt: skip
        identity = await self._identity(name)
        if replaced not in {identity, ""}:
            # Its own layers would stay for ever; those that the new one shares are kept.
            await self._buildah("rmi", "--force", replaced)
        return Image(name=name, archive=await self._exported(name, identity))

    async def _exported(self, name: str, identity: str) -> Path:
        prefix = name.replace("/", "-").replace(":", "-")
        archive = self._cache / f"{prefix}-{identity.removeprefix('sha256:')[:12]}.tar"
        if not archive.exists():
            for older in self._cache.glob(f"{prefix}-*.tar"):
                older.unlink()
            fresh = archive.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            await self._buildah("push", "--quiet", name, f"docker-archive:{fresh}:{name}")
            fresh.rename(archive)
        return archive

    async def _identity(self, name: str) -> str:
        """Return an image's id, empty if there is none."""
        return (
            await self._buildah("images", "--quiet", "--no-trunc", f"--filter=reference={name}")
        ).strip()

    async def _base_image(self) -> str:
        """Return the base's name; it is made by debootstrap where it is missing."""
        if not self._base:
            key = _digest(_SUITE, *_PACKAGES, *_LEFT_OUT)
            name = f"localhost/etcd-shield-base:{_SUITE}-{key}"
            if not await self._identity(name):
                await self._make_base(name)
            self._base = name
        return self._base

    async def _make_base(self, name: str) -> None:
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            root, context = Path(directory) / "root", Path(directory) / "context"
            context.mkdir()
            await _run(
                *_ALONE, "debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}",
                _SUITE, str(root),
            )  # fmt: skip
            left_out = [f"--exclude=./{path}" for path in _LEFT_OUT]
            await _run(
                "tar", f"--directory={root}", "--create", f"--file={context}/base.tar",
                *left_out, ".",
            )  # fmt: skip
            dockerfile = context / "Dockerfile"
            dockerfile.write_text("FROM scratch\nADD base.tar /\n")
            await self._buildah("build", f"--tag={name}", f"--file={dockerfile}", str(context))

    async def _wheelhouse(self, sources: Path) -> Path:
        """Return a directory with every wheel that the pins of `sources` name."""
        pins = [sources / "requirements" / f"{name}.txt" for name in _REQUIREMENTS]
        target = self._cache / f"wheels-{_digest(*(pin.read_text() for pin in pins))}"
        if target.exists():
            return target
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            fresh = Path(directory) / "wheels"
            await _run(sys.executable, "-m", "venv", f"{directory}/pip")
            await _run(
                f"{directory}/pip/bin/pip", "download", "--quiet", "--disable-pip-version-check",
                "--require-hashes", "--only-binary=:all:", f"--python-version={_PYTHON}",
                *(f"--requirement={pin}" for pin in pins), f"--dest={fresh}",
            )  # fmt: skip
            fresh.rename(target)
        return target

    async def _buildah(self, command: str, *arguments: str) -> str:
        storage = self._cache / "storage"
        return await _run(
            *_ALONE, "buildah", f"--root={storage}", f"--runroot={storage}-run",
            "--storage-driver=overlay", command, *arguments,
            BUILDAH_ISOLATION="chroot",
        )  # fmt: skip


# Mounts and processes that a builder forgets are gone when it ends.
_ALONE = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy2(source, target)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]


async def _run(*command: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=ROOT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        said = (out + err).decode(errors="replace").splitlines()[-40:]
        raise ImageError(f"{' '.join(command)} failed:\n" + "\n".join(said))
    return out.decode()
