"""helm and Kubernetes' schemas, found or made by tools/install-kubernetes."""

from pathlib import Path

import pytest

from tests.helm.chart import Chart, Rendered
from tests.rig.kubernetes import installed


@pytest.fixture(scope="session")
def chart() -> Chart:
    return Chart(installed("helm"))


@pytest.fixture(scope="session")
def schemas() -> Path:
    return Path(installed("schemas"))


@pytest.fixture(scope="session")
def plain(chart: Chart) -> Rendered:
    """A rendering with nothing but the images' registry."""
    return chart.render()
