"""The chart's PrometheusRule: the plain rule file, with the installation's own words in it."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, Chart
from tests.rig.server import program

RUNBOOK = "https://docs.example.com/shield/runbook.md"


def groups(chart: Chart, **alerts: Any) -> list[dict[str, Any]]:
    rendered = chart.render({"alerts": {"enabled": True, **alerts}})
    spec: dict[str, Any] = rendered.one("PrometheusRule")["spec"]
    return list(spec["groups"])


def alert(groups: list[dict[str, Any]], name: str) -> dict[str, Any]:
    rules = [rule for group in groups for rule in group["rules"]]
    return next(rule for rule in rules if name == rule.get("alert"))


def test_every_rule_of_the_file_is_in_it(chart: Chart) -> None:
    file = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    expected = [[r["expr"] for r in group["rules"]] for group in file["groups"]]
    assert expected == [[r["expr"] for r in group["rules"]] for group in groups(chart)]


def test_what_is_rendered_is_valid_for_prometheus(chart: Chart, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": groups(chart, runbookUrl=RUNBOOK)}))
    command = [program("promtool"), "check", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr


def test_severities_are_called_as_the_values_say(chart: Chart) -> None:
    severities = {"critical": "page", "warning": "ticket"}
    found = groups(chart, severities=severities)
    names = ("EtcdShieldAdmitterDown", "EtcdShieldFlapping", "EtcdShieldOverrideActive")
    said = [alert(found, name)["labels"]["severity"] for name in names]
    assert ["page", "ticket", "info"] == said


@pytest.mark.parametrize("where", ["alerts", "evaluator"])
def test_links_lead_to_where_the_runbook_is_published(chart: Chart, where: str) -> None:
    own = {"runbookUrl": RUNBOOK} if where == "alerts" else {}
    values: dict[str, Any] = {"alerts": {"enabled": True, **own}}
    if where == "evaluator":
        values["evaluator"] = {"config": {"runbook_url": RUNBOOK}}
    found = chart.render(values).one("PrometheusRule")["spec"]["groups"]
    link = alert(found, "EtcdShieldFlapping")["annotations"]["runbook_url"]
    assert f"{RUNBOOK}#etcdshieldflapping" == link


def test_without_a_published_runbook_there_is_no_dead_link(chart: Chart) -> None:
    assert "runbook_url" not in alert(groups(chart), "EtcdShieldFlapping")["annotations"]


def test_an_alert_can_be_left_out(chart: Chart) -> None:
    found = groups(chart, disabled=["EtcdShieldFlapping"])
    assert "EtcdShieldFlapping" not in str(found)
