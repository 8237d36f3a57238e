"""Build each kind of file: wheels, wheelhouses, bills of materials, the plugin, checksums.

All archives are reproducible: names sorted, no times, no owners. Two builds of one commit differ
in nothing.
"""

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipapp
from collections.abc import Iterable, Mapping
from pathlib import Path
from string import Template
from typing import Final

from tools.release.versions import ROOT, distributions, services

# The Python of the images' base, and the glibc that it has at least. pip takes one option per tag.
PYTHON: Final = "3.13"
_GLIBC: Final = range(17, 40)
PLATFORMS: Final[Mapping[str, str]] = {"amd64": "x86_64", "arm64": "aarch64"}
PLUGIN: Final = ROOT / "clients" / "kubectl_shield"
KREW: Final = PLUGIN / "krew.yaml"
_PLUGIN_MAIN: Final = "kubectl_shield.cli:main"


def wheels(destination: Path) -> None:
    """Build the wheel of every distribution, by the pinned backend, without the network."""
    for directory in distributions():
        _run(
            sys.executable, "-m", "hatchling", "build", "--target=wheel",
            f"--directory={destination}", directory=directory,
        )  # fmt: skip


def pip_in(directory: Path) -> Path:
    """Make a virtual environment with pip, which an environment of uv lacks; return pip's path."""
    _run(sys.executable, "-m", "venv", str(directory))
    return directory / "bin" / "pip"


def wheelhouse(destination: Path, platform: str, *, pip: Path) -> None:
    """Write a tar of every wheel that the images install on a platform, checked by hash.

    Unpacked beside the sources, it lets the images be built without a network (docs/compose.md).

    Args:
        destination: The archive.
        platform: A key of `PLATFORMS`.
        pip: From `pip_in`.
    """
    machine = PLATFORMS[platform]
    pins = [ROOT / "requirements" / f"{name}.txt" for name in ("build", *services())]
    with tempfile.TemporaryDirectory() as directory:
        house = Path(directory) / "wheelhouse"
        _run(
            str(pip), "download", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary=:all:", f"--python-version={PYTHON}",
            *(f"--platform=manylinux_2_{minor}_{machine}" for minor in reversed(_GLIBC)),
            f"--platform=manylinux2014_{machine}", f"--dest={house}",
            *(f"--requirement={pin}" for pin in pins),
        )  # fmt: skip
        archive(destination, {f"wheelhouse/{wheel.name}": wheel for wheel in house.iterdir()})


def bill_of_materials(destination: Path, service: str) -> None:
    """Write what an image has from Python, as CycloneDX: the pins with their hashes."""
    _run(
        sys.executable, "-m", "cyclonedx_py", "requirements", f"requirements/{service}.txt",
        f"--pyproject=services/{service}/pyproject.toml", "--mc-type=application",
        "--output-reproducible", "--output-format=JSON", f"--output-file={destination}",
        directory=ROOT,
    )  # fmt: skip


def plugin(destination: Path, *, pip: Path) -> None:
    """Write `kubectl-shield` as one file: the package and click in a zip that Python starts.

    Args:
        destination: The program.
        pip: From `pip_in`.
    """
    with tempfile.TemporaryDirectory() as directory:
        inside = Path(directory) / "inside"
        wheelhouse = Path(directory) / "wheels"
        _run(
            sys.executable, "-m", "hatchling", "build", "--target=wheel",
            f"--directory={wheelhouse}", directory=PLUGIN,
        )  # fmt: skip
        (wheel,) = wheelhouse.glob("*.whl")
        quiet = ("--quiet", "--disable-pip-version-check", "--no-compile", f"--target={inside}")
        _run(
            str(pip), "install", *quiet, "--require-hashes", "--only-binary=:all:",
            f"--requirement={ROOT}/requirements/kubectl.txt",
        )  # fmt: skip
        _run(str(pip), "install", *quiet, "--no-index", "--no-deps", str(wheel))
        shutil.rmtree(inside / "bin", ignore_errors=True)
        for path in (inside, *inside.rglob("*")):
            os.utime(path, (_ZIP_EPOCH, _ZIP_EPOCH))
        zipapp.create_archive(
            inside, destination, interpreter="/usr/bin/env python3", main=_PLUGIN_MAIN,
            compressed=True,
        )  # fmt: skip
    destination.chmod(0o755)


# 1980-01-02 in UTC: a zip knows no time before 1980, in any time zone.
_ZIP_EPOCH: Final = 315_619_200


def krew_manifest(destination: Path, *, version: str, archive: Path, url: str) -> None:
    """Fill in the manifest by which krew installs the plugin from a release."""
    filled = Template(KREW.read_text()).substitute(
        version=version,
        home=url,
        uri=f"{url}/releases/download/v{version}/{archive.name}",
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    destination.write_text(filled)


def archive(destination: Path, members: Mapping[str, Path]) -> None:
    """Write a .tar.gz in which nothing depends on when and where it was made."""
    with (
        destination.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, path in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = path.stat().st_size
            member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            with path.open("rb") as content:
                tar.addfile(member, content)


def checksums(destination: Path, files: Iterable[Path]) -> None:
    """Write the SHA-256 of each file, as `sha256sum --check` reads them."""
    lines = (f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {f.name}\n" for f in sorted(files))
    destination.write_text("".join(lines))


def _run(*command: str, directory: Path | None = None) -> None:
    subprocess.run(command, cwd=directory, check=True, stdin=subprocess.DEVNULL)
