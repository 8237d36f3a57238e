"""The chart's README: every values file that it shows can be installed as it stands."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_common.config.loader import load
from tests.helm.chart import CHART, Chart
from tests.helm.test_every_example import SETTINGS

README = CHART / "README.md"
SHOWN = [
    yaml.safe_load(textwrap.dedent(block))
    for block in re.findall(r"(?ms)^ *```yaml\n(.*?)^ *```$", README.read_text())
]
every_file = pytest.mark.parametrize("change", SHOWN, ids=range(len(SHOWN)))


@every_file
@pytest.mark.parametrize("service", SETTINGS)
def test_the_services_take_what_the_readme_shows(
    chart: Chart, tmp_path: Path, change: dict[str, Any], service: str
) -> None:
    rendered = chart.render(SHOWN[0], change, images=False, kubernetes="1.34.0")
    if service not in rendered.services():
        return
    file = tmp_path / f"{service}.yaml"
    file.write_text(rendered.config(service))
    kind = SETTINGS[service]
    assert isinstance(load(file, kind, environment={}), kind)


def test_the_first_file_says_how_many_members_there_are(chart: Chart) -> None:
    config = yaml.safe_load(chart.render(SHOWN[0], images=False).config("evaluator"))
    assert [3, 3] == [signal["members"] for signal in config["signals"]]


def test_the_images_come_from_where_the_readme_pushes_them(chart: Chart) -> None:
    pushed = re.findall(r"--tag (\S+) \.", README.read_text())
    controller = {"repository": "registry.example.com/etcd-shield-controller"}
    values = {"hold": {"enabled": True}, "controller": {"image": controller}}
    rendered = chart.render(SHOWN[0], values, images=False)
    assert pushed == [rendered.container(service)["image"] for service in SETTINGS]


def test_every_path_in_the_readme_leads_somewhere() -> None:
    paths = re.findall(r"\]\(([^)#:]+)[^)]*\)", README.read_text())
    assert [] == [path for path in paths if not (CHART / path).exists()]
