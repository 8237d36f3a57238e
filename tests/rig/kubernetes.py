"""Programs and schemas of Kubernetes, found or built by tools/install-kubernetes."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.rig.errors import ProgramMissingError

_TOOL = Path(__file__).resolve().parents[2] / "tools" / "install-kubernetes"
_SECONDS = 3600  # kube-apiserver is built where it is not cached


def installed(name: str) -> str:
    """Return the path of what the tool is told to find, such as `helm` or `apiserver`.

    Raises:
        subprocess.CalledProcessError: It could not be made; the tool printed the reason.
    """
    done = subprocess.run(
        [_TOOL, name], stdout=subprocess.PIPE, text=True, check=True, timeout=_SECONDS
    )
    return done.stdout.strip()


def built_apiserver() -> Path:
    """Return the directory of kube-apiserver and kubectl; unlike `installed` it builds nothing.

    Raises:
        ProgramMissingError: They are neither built nor in KUBEBUILDER_ASSETS.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    directories = [Path(assets)] if assets else _cached("kubernetes")
    for directory in directories:
        if (directory / "kube-apiserver").is_file():
            return directory
    raise ProgramMissingError("kube-apiserver", "run tools/install-kubernetes apiserver")


def built_helm() -> str:
    """Return the path of helm; unlike `installed` it builds nothing.

    Raises:
        ProgramMissingError: It is neither built nor on PATH.
    """
    built = (str(directory / "helm") for directory in _cached("helm"))
    found = shutil.which("helm") or next(built, None)
    if found is None:
        raise ProgramMissingError("helm", "run tools/install-kubernetes helm")
    return found


def _cached(name: str) -> list[Path]:
    """Return what the tool has built of a name, the newest version first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "etcd-shield"
    versions = {}
    for directory in cache.glob(f"{name}-v*"):
        if match := re.fullmatch(rf"{name}-v(\d+)\.(\d+)\.(\d+)", directory.name):
            versions[tuple(map(int, match.groups()))] = directory
    return [versions[version] for version in sorted(versions, reverse=True)]
