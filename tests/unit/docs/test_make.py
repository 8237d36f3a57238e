"""`make help` and CONTRIBUTING name every target."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DOCUMENTED = re.compile(r"^([a-z0-9-]+):.* ## ", re.MULTILINE)


def targets() -> set[str]:
    return set(DOCUMENTED.findall((ROOT / "Makefile").read_text()))


def test_make_help_lists_every_target() -> None:
    listed = subprocess.run(
        ["make", "--silent", "help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert targets() == set(re.findall(r"^ +make ([a-z0-9-]+)", listed, re.MULTILINE))


def test_make_clean_removes_every_virtual_environment() -> None:
    said = subprocess.run(
        ["make", "--dry-run", "clean"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    assert {".tox", ".venv-tox", ".venv"} <= set(said.split())


def test_contributing_names_every_make_target() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text()
    assert targets() == set(re.findall(r"`make ([a-z0-9-]+)", page))
