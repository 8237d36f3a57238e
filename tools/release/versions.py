"""The version, which several files repeat, and the notes that the changelog has for it."""

import re
import tomllib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "deploy" / "helm" / "etcd-shield" / "Chart.yaml"
_SECTION: Final = re.compile(r"^## \[([^\]]+)\].*$", re.MULTILINE)


class ReleaseError(Exception):
    """Something contradicts the release; the message is a sentence for its maintainer."""


def distributions() -> list[Path]:
    """Return the directory of every Python distribution, sorted."""
    found = (ROOT.glob(f"{above}/*/pyproject.toml") for above in ("libs", "services", "clients"))
    return sorted(project.parent for projects in found for project in projects)


def services() -> list[str]:
    """Return the names of the services that have an image, sorted."""
    return sorted(dockerfile.parent.name for dockerfile in ROOT.glob("services/*/Dockerfile"))


def versions() -> dict[str, str]:
    """Return every place that states the version, and what it says."""
    found = {
        str(directory.relative_to(ROOT) / "pyproject.toml"): tomllib.loads(
            (directory / "pyproject.toml").read_text()
        )["project"]["version"]
        for directory in distributions()
    }
    for service in services():
        path = Path("services") / service / "Dockerfile"
        found[str(path)] = _matched(path, r"^ARG VERSION=(\S+)$")
    chart = CHART.relative_to(ROOT)
    for key in ("version", "appVersion"):
        found[f"{chart} ({key})"] = _matched(chart, rf'^{key}: "?([^"\s]+)"?$')
    return found


def version(tag: str | None = None) -> str:
    """Return the version that all places agree on.

    Args:
        tag: The tag of the release, which has to be this version with a v before it.

    Raises:
        ReleaseError: They differ, or the tag is another one.
    """
    stated = versions()
    if len(set(stated.values())) != 1:
        listed = "\n".join(f"  {place}: {found}" for place, found in stated.items())
        raise ReleaseError(f"the places that state the version disagree:\n{listed}")
    found = next(iter(stated.values()))
    if tag is not None and tag != f"v{found}":
        raise ReleaseError(f"the tag is {tag}, but everything says {found}")
    return found


def notes(version: str, changelog: str) -> str:
    """Return what the changelog says about a version; before a release, what is unreleased.

    Raises:
        ReleaseError: It has no section for it.
    """
    parts = _SECTION.split(changelog)[1:]
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    for name in (version, "Unreleased"):
        if name in sections:
            return sections[name].strip() + "\n"
    raise ReleaseError(f"CHANGELOG.md has no section [{version}]")


def _matched(path: Path, pattern: str) -> str:
    found = re.search(pattern, (ROOT / path).read_text(), re.MULTILINE)
    if found is None:
        raise ReleaseError(f"{path} does not state the version")
    return found[1]
