"""Version 0.1.0, from the history of this checkout: its sources, and its services as processes.

Its wheels are built from its own sources, and run with the dependencies of this environment.
"""

import asyncio
import io
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from tests.rig.certificates import CertificateFiles
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.rig.services import Admitter, Config, Evaluator

# The last commit of version 0.1.0; there is no tag.
COMMIT = "18111ef"
ROOT = Path(__file__).resolve().parents[2]
_PARTS = ("LICENSE", "deploy", "libs", "requirements", "services")
_DISTRIBUTIONS = ("libs/shield_common", "services/evaluator", "services/admitter")


def missing_history() -> str | None:
    """Return why this checkout has no version 0.1.0 to test, None if it has.

    A shallow clone, or sources without their history, can run every test but those of two versions.
    """
    asked = ["git", "cat-file", "-e", COMMIT]
    if shutil.which("git"):
        found = subprocess.run(asked, cwd=ROOT, capture_output=True, check=False)
        if found.returncode == 0:
            return None
    return f"version 0.1.0 is commit {COMMIT}, which this checkout does not have"


async def old_sources(directory: Path) -> Path:
    """Write version 0.1.0, chart and services, to a directory and return it.

    Raises:
        RigError: The checkout's history does not reach back to it.
    """
    done = await _finished(["git", "archive", COMMIT, *_PARTS], ROOT)
    if done.returncode:
        said = done.stderr.decode().strip()
        raise RigError(f"{missing_history()} (git fetch --unshallow): {said}")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(directory, filter="data")
    return directory


async def old_packages(directory: Path) -> Path:
    """Build the wheels of version 0.1.0, install them into a directory and return that.

    Args:
        directory: An existing one, for the sources and the wheels.

    Raises:
        RigError: The checkout's history does not reach back to it, or a wheel was not built.
    """
    packages, wheels = directory / "packages", directory / "wheels"
    sources = await old_sources(directory)
    for distribution in _DISTRIBUTIONS:
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)]
        done = await _finished(build, sources / distribution)
        if done.returncode:
            raise RigError(f"no wheel of {distribution}: {done.stderr.decode().strip()}")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)  # noqa: S202 - they were built just now
    return packages


class OldEvaluator(Evaluator):
    """The evaluator of version 0.1.0.

    Args:
        rig: Owner of the process and its files.
        config: As for `Evaluator`, with what version 0.1.0 knows.
        packages: Of `old_packages`.
        name: Name of its files and in messages.
    """

    def __init__(self, rig: Rig, config: Config, packages: Path, name: str) -> None:
        super().__init__(rig, config, name)
        self.environment["PYTHONPATH"] = str(packages)

    def command(self) -> list[str]:
        return _of_package("shield_evaluator", super().command())


class OldAdmitter(Admitter):
    """The admitter of version 0.1.0.

    Args:
        rig: Owner of the process and its files.
        config: As for `Admitter`, with what version 0.1.0 knows.
        certificate: What it serves with.
        packages: Of `old_packages`.
        name: Name of its files and in messages.
    """

    def __init__(
        self, rig: Rig, config: Config, certificate: CertificateFiles, packages: Path, name: str
    ) -> None:
        super().__init__(rig, config, certificate, name)
        self.environment["PYTHONPATH"] = str(packages)

    def command(self) -> list[str]:
        return _of_package("shield_admitter", super().command())


def _of_package(package: str, command: list[str]) -> list[str]:
    """Return a service's command with its script replaced by the entry point of a package."""
    return [sys.executable, "-c", f"from {package}.cli import main; main()", *command[1:]]


async def _finished(command: list[str], directory: Path) -> subprocess.CompletedProcess[bytes]:
    return await asyncio.to_thread(
        subprocess.run, command, cwd=directory, capture_output=True, check=False
    )
