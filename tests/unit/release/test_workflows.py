"""The workflows agree with the repository. Their form and safety are actionlint's and zizmor's."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.release.versions import ROOT, distributions, services

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = re.compile(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+(\.\d+)+$")
by_file = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())
    return found


@by_file
def test_every_action_is_pinned_by_commit_and_names_its_version(file: Path) -> None:
    uses = [line.strip(" -") for line in file.read_text().splitlines() if "uses:" in line]
    assert uses
    assert [] == [line for line in uses if not PINNED.fullmatch(line)]


def test_an_action_has_the_same_commit_everywhere() -> None:
    found = re.findall(r"uses: (\S+)@(\S+)", "\n".join(file.read_text() for file in WORKFLOWS))
    assert len(dict(found)) == len(set(found))


@by_file
def test_permissions_are_none_unless_a_job_asks(file: Path) -> None:
    found = workflow(file.name)
    assert {} == found["permissions"]
    assert all("permissions" in job for job in found["jobs"].values())


@by_file
def test_every_make_target_exists(file: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z][a-z0-9-]*)", file.read_text()))
    named |= set(re.findall(r"^ +- target: (\S+)", file.read_text(), re.MULTILINE))
    assert set() == named - targets


def test_the_matrix_has_every_python_that_the_distributions_name() -> None:
    named = {
        classifier.rpartition(" ")[2]
        for directory in distributions()
        for classifier in tomllib.loads((directory / "pyproject.toml").read_text())["project"][
            "classifiers"
        ]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", classifier)
    }
    assert named == set(workflow("ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"])


def test_every_service_has_its_image_released() -> None:
    matrix = workflow("release.yml")["jobs"]["images"]["strategy"]["matrix"]
    assert services() == sorted(matrix["service"])
