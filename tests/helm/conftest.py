"""helm and Kubernetes' schemas, found or made by tools/install-kubernetes."""

import subprocess
from pathlib import Path

import pytest

from tests.helm.chart import ROOT, Chart, Rendered

_SECONDS = 1800  # building helm takes minutes where it is neither installed nor cached


def _installed(name: str) -> str:
    tool = ROOT / "tools" / "install-kubernetes"
    done = subprocess.run(
        [tool, name], stdout=subprocess.PIPE, text=True, check=True, timeout=_SECONDS
    )
    return done.stdout.strip()


@pytest.fixture(scope="session")
def chart() -> Chart:
    return Chart(_installed("helm"))


@pytest.fixture(scope="session")
def schemas() -> Path:
    return Path(_installed("schemas"))


@pytest.fixture(scope="session")
def plain(chart: Chart) -> Rendered:
    """What `helm install` gives without a value."""
    return chart.render()
