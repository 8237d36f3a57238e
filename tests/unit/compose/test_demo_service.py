"""The service `demo` of docker-compose.yml: a checkout's tests in the evaluator's image."""

import re
import subprocess
import sys

from tests.compose.compose_file import ROOT, read

# Prints the distributions of which importing the demo's entry point loads something.
_LOADED = """
import sys
from importlib.metadata import packages_distributions
owners, before = packages_distributions(), set(sys.modules)
import tests.demo.stack
print(*{owner for name in set(sys.modules) - before for owner in owners.get(name, ())})
"""
_OURS = {"shield-common", "shield-evaluator", "shield-admitter"}


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_its_entry_point_is_there() -> None:
    entrypoint = read().services["demo"].entrypoint
    assert ["python", "-m", "tests.demo.stack"] == entrypoint
    assert (ROOT / "tests" / "demo" / "stack.py").is_file()


def test_it_needs_nothing_that_the_evaluators_image_lacks() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", _LOADED], cwd=ROOT, capture_output=True, text=True, check=True
    )
    lock = (ROOT / "requirements" / "evaluator.txt").read_text()
    installed = {normalized(name) for name in re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)}
    needed = {normalized(name) for name in loaded.stdout.split()}
    assert needed
    assert needed - _OURS <= installed
