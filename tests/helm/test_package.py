"""The packaged chart: links that work elsewhere, and what a catalogue shows."""

import re
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, ROOT, Chart
from tools.package_chart import prepared, with_registry

URL = "https://git.example.org/platform/shield"


@pytest.fixture(scope="module")
def package(chart: Chart, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The text of each file of a package, by its path."""
    directory = tmp_path_factory.mktemp("package")
    subprocess.run(
        [sys.executable, "-m", "tools.package_chart", f"--url={URL}", f"--destination={directory}"],
        check=True, cwd=ROOT, timeout=180, env={"PATH": str(Path(chart.helm).parent)},
    )  # fmt: skip
    (archive,) = directory.glob("*.tgz")
    with tarfile.open(archive) as opened:
        members = [member for member in opened.getmembers() if member.isfile()]
        texts = {}
        for member in members:
            file = opened.extractfile(member)
            assert file is not None
            texts[member.name.removeprefix("etcd-shield/")] = file.read().decode()
        return texts


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", text)


def test_every_link_of_its_readme_works_elsewhere(package: Mapping[str, str]) -> None:
    found = links(package["README.md"])
    assert 10 <= len(found)
    assert [] == [link for link in found if not link.startswith(("https://", "#"))]


def test_every_absolute_link_leads_to_a_file_of_the_repository(package: Mapping[str, str]) -> None:
    prefix = f"{URL}/blob/main/"
    paths = [
        link.removeprefix(prefix).partition("#")[0]
        for link in links(package["README.md"])
        if link.startswith(prefix)
    ]
    assert paths
    assert [] == [path for path in paths if not (ROOT / path).exists()]


def test_its_metadata_names_the_repository(package: Mapping[str, str]) -> None:
    metadata = yaml.safe_load(package["Chart.yaml"])
    assert (URL, [URL]) == (metadata["home"], metadata["sources"])
    assert metadata["icon"].startswith(URL)
    assert "example.com" not in package["Chart.yaml"]


def test_the_registry_of_a_release_is_in_its_values_and_in_their_table() -> None:
    values, readme = (CHART / "values.yaml").read_text(), (CHART / "README.md").read_text()
    filled, table = with_registry(values, readme, "ghcr.example.org/owner")
    ours = yaml.safe_load(filled)
    for part in ("evaluator", "admitter", "controller"):
        assert "ghcr.example.org/owner" == ours[part]["image"]["registry"]
        assert f'| `{part}.image.registry` | `"ghcr.example.org/owner"` |' in table
    assert yaml.safe_load(values)["redis"] == ours["redis"]


def test_a_package_of_a_release_names_its_images_for_catalogues(tmp_path: Path) -> None:
    chart = prepared(tmp_path, URL, "ghcr.example.org/owner")
    metadata = yaml.safe_load((chart / "Chart.yaml").read_text())
    images = yaml.safe_load(metadata["annotations"]["artifacthub.io/images"])
    assert {
        f"ghcr.example.org/owner/etcd-shield-{name}:{metadata['appVersion']}"
        for name in ("admitter", "controller", "evaluator")
    } == {image["image"] for image in images}


@pytest.mark.parametrize(
    "key", ["description", "home", "icon", "sources", "keywords", "kubeVersion", "appVersion"]
)
def test_the_chart_says_what_a_catalogue_shows(key: str) -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())[key]


def test_the_icon_is_a_file_of_the_repository() -> None:
    icon = yaml.safe_load((CHART / "Chart.yaml").read_text())["icon"]
    assert (ROOT / icon.partition("/blob/main/")[2]).is_file()


def test_annotations_of_the_catalogue_are_yaml() -> None:
    annotations: dict[str, Any] = yaml.safe_load((CHART / "Chart.yaml").read_text())["annotations"]
    for name in ("artifacthub.io/links", "artifacthub.io/recommendations"):
        assert all(
            entry["url"].startswith("https://") for entry in yaml.safe_load(annotations[name])
        )
