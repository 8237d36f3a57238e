"""Container images, built by buildah without a daemon and without a registry.

The product's images come from the repository's Dockerfiles. Their base is made once by debootstrap,
and the wheels that they install are downloaded once for each set of pins; both stay in the cache,
so that after a change of the product only its own wheels are built again. What an image is built
from names its archive, so that nothing is built where nothing changed.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.rig.errors import RigError

ROOT = Path(__file__).resolve().parents[2]
# Where a user would have pushed the images to. The node has them and pulls nothing.
REGISTRY = "registry.example.com"
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
# What .dockerignore lets through to a build.
_SOURCES = ("LICENSE", "libs", "requirements", "services")
_STANDINS = Path(__file__).parent / "standins" / "Dockerfile"
_SECONDS = 1800.0
# Tests of another checkout may import an archive that was used so recently.
_IN_USE_SECONDS = 3600.0


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
        self._turn = asyncio.Lock()

    async def product(self, sources: Path, *, tag: str) -> list[Image]:
        """Build both services' images from a directory of sources.

        Args:
            sources: A checkout, or what `git archive` made of one.
            tag: The images' tag.

        Raises:
            ImageError: One could not be built.
        """
        base = await self._base_image()
        services = sorted(path.parent.name for path in sources.glob("services/*/Dockerfile"))
        return await asyncio.gather(
            *(self._service(sources, service, base=base, tag=tag) for service in services)
        )

    async def _service(self, sources: Path, service: str, *, base: str, tag: str) -> Image:
        wheels = await self._wheelhouse(sources, service)
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            context = Path(directory)
            for name in _SOURCES:
                _copy(sources / name, context / name)
            shutil.copytree(wheels, context / "wheelhouse", copy_function=os.link)
            return await self._build(
                f"{REGISTRY}/etcd-shield-{service}:{tag}",
                context,
                dockerfile=sources / "services" / service / "Dockerfile",
                arguments={"BASE_IMAGE": base, "PIP_NO_INDEX": "1"},
            )

    async def standins(self, programs: Path) -> list[Image]:
        """Build what a cluster would pull from registries: pause, CoreDNS, Redis.

        Args:
            programs: The directory of `tools/install-kubernetes node`.

        Raises:
            ImageError: One could not be built.
        """
        base = await self._base_image()
        wanted = {"pause": PAUSE, "coredns": COREDNS, "redis": REDIS}
        return await asyncio.gather(
            *(
                self._standin(target, name, program=programs / target, base=base)
                for target, name in wanted.items()
            )
        )

    async def controllers(self, programs: Mapping[str, Path]) -> list[Image]:
        """Build images with one static program each, at `/ko-app/<its name>`.

        Args:
            programs: By the name of the image.

        Raises:
            ImageError: One could not be built.
        """
        base = await self._base_image()
        return await asyncio.gather(
            *(
                self._standin("program", name, program=program, base=base)
                for name, program in programs.items()
            )
        )

    async def _standin(self, target: str, name: str, *, program: Path, base: str) -> Image:
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            if program.exists():
                shutil.copy2(program, directory)
            return await self._build(
                name, Path(directory), dockerfile=_STANDINS, target=target,
                arguments={"BASE_IMAGE": base},
            )  # fmt: skip

    async def _build(
        self,
        name: str,
        context: Path,
        *,
        dockerfile: Path,
        arguments: dict[str, str],
        target: str | None = None,
    ) -> Image:
        key = _digest(name, dockerfile.read_text(), *arguments.values(), *_contents(context))
        archive = self._cache / f"{_prefix(name)}-{key}.tar"
        options = (
            f"--file={dockerfile}",
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            *([f"--target={target}"] if target else []),
        )
        if not archive.exists():
            # Two builds at a time are hardly faster, and one may remove layers that another reuses.
            async with self._alone():
                await self._make(name, context, archive, *options)
        archive.touch()  # in use
        return Image(name=name, archive=archive)

    async def _make(self, name: str, context: Path, archive: Path, *options: str) -> None:
        replaced = await self._identity(name)
        await self._buildah(
            "build", "--layers", "--pull=false", "--format=docker", f"--tag={name}",
            "--network=host", *options, str(context),
        )  # fmt: skip
        if replaced not in {await self._identity(name), ""}:
            # Its layers would stay for ever; those that the new one shares are kept.
            await self._buildah("rmi", "--force", replaced)
        for other in self._cache.glob(f"{_prefix(name)}-*.tar"):
            if other.stat().st_mtime < time.time() - _IN_USE_SECONDS:
                other.unlink()
        fresh = self._cache / f"{_prefix(name)}.new"
        fresh.unlink(missing_ok=True)
        await self._buildah("push", "--quiet", name, f"docker-archive:{fresh}:{name}")
        fresh.rename(archive)

    @contextlib.asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        """Wait for other builds, those of other processes too."""
        async with self._turn:
            with (self._cache / "lock").open("w") as lock:
                await asyncio.to_thread(fcntl.flock, lock, fcntl.LOCK_EX)
                yield

    async def _identity(self, name: str) -> str:
        """Return an image's id, empty if there is none."""
        options = ("--quiet", "--no-trunc", f"--filter=reference={name}")
        return (await self._buildah("images", *options)).strip()

    async def _base_image(self) -> str:
        """Return the base's name; it is made by debootstrap where it is missing."""
        if not self._base:
            key = _digest(_SUITE, *_PACKAGES, *_LEFT_OUT)
            name = f"localhost/etcd-shield-base:{_SUITE}-{key}"
            async with self._alone():
                if not await self._identity(name):
                    await self._make_base(name)
            self._base = name
        return self._base

    async def _make_base(self, name: str) -> None:
        with tempfile.TemporaryDirectory(dir=self._cache) as directory:
            root, context = (Path(directory, name) for name in ("root", "context"))
            context.mkdir()
            await _run(
                *_ISOLATED, "debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}",
                _SUITE, str(root),
            )  # fmt: skip
            left_out = [f"--exclude=./{path}" for path in _LEFT_OUT]
            await _run(
                "tar", f"--directory={root}", "--create", f"--file={context}/base.tar",
                *left_out, ".",
            )  # fmt: skip
            (context / "Dockerfile").write_text("FROM scratch\nADD base.tar /\n")
            await self._buildah("build", f"--tag={name}", str(context))

    async def _wheelhouse(self, sources: Path, service: str) -> Path:
        """Return a directory with every wheel that the pins of a service name."""
        pins = [sources / "requirements" / f"{name}.txt" for name in ("build", service)]
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
            *_ISOLATED, "buildah", f"--root={storage}", f"--runroot={storage}-run",
            "--storage-driver=overlay", command, *arguments,
            BUILDAH_ISOLATION="chroot",
        )  # fmt: skip


# Mounts and processes that a builder forgets are gone when it ends.
_ISOLATED = ("unshare", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child")


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dist")
        shutil.copytree(source, target, ignore=ignored)
    else:
        shutil.copy2(source, target)


def _prefix(name: str) -> str:
    return name.replace("/", "-").replace(":", "-")


def _contents(context: Path) -> Iterator[str]:
    """Yield the name and the content of each file of a context."""
    for file in sorted(context.rglob("*")):
        if file.is_file():
            yield str(file.relative_to(context))
            # The pins name the wheels' hashes.
            yield "" if file.suffix == ".whl" else hashlib.sha256(file.read_bytes()).hexdigest()


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
