"""The runbook: every link into it ends at a section, and every alert's section is whole."""

import re
from typing import Any

import pytest
import yaml

from shield_evaluator.status.page import render
from tests.unit.observability.exposure import rules
from tests.unit.observability.runbook import RUNBOOK, blocks, sections
from tests.unit.shield_evaluator.page_scenes import RUNBOOK as PUBLISHED
from tests.unit.shield_evaluator.page_scenes import SCENES

by_alert = pytest.mark.parametrize(
    "rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"]
)


@by_alert
def test_a_runbook_url_ends_at_a_section(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook_url"].partition("#")[2] in sections()


@by_alert
def test_an_alert_s_section_says_all_four_things(rule: dict[str, Any]) -> None:
    words = re.findall(r"(?m)^\*\*(\w+)\.\*\*", sections()[rule["alert"].lower()])
    assert ["Meaning", "Impact", "Diagnosis", "Mitigation"] == words


@by_alert
def test_an_alert_s_section_has_commands(rule: dict[str, Any]) -> None:
    assert rule["alert"].lower() in {block.section for block in blocks()}


def test_every_alert_has_a_first_step() -> None:
    steps = re.findall(r"(?m)^\| \[(\w+)\]\(#(\w+)\) \| \S", sections()["first"])
    names = sorted(rule["alert"] for rule in rules() if "alert" in rule)
    assert [(name, name.lower()) for name in names] == sorted(steps)


def test_every_name_in_a_command_is_set_before() -> None:
    commands = "".join(block.text for block in blocks() if block.language == "sh")
    used = set(re.findall(r"\$\{?([A-Z_]+)", commands)) - {"USER"}
    prepared = sections()["what-the-commands-need"]
    assert set() == {name for name in used if f"{name}=" not in prepared}


@pytest.mark.parametrize("name", list(SCENES))
def test_the_status_page_links_to_sections(name: str) -> None:
    anchors = re.findall(rf'href="{re.escape(PUBLISHED)}#([^"]+)"', render(SCENES[name]()).decode())
    assert set() == set(anchors) - set(sections())


def test_links_within_the_runbook_end_at_sections() -> None:
    anchors = set(re.findall(r"\]\(#([^)]+)\)", RUNBOOK.read_text()))
    assert set() == anchors - set(sections())


def test_links_to_other_pages_end_at_files() -> None:
    paths = re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", RUNBOOK.read_text())
    assert [] == [path for path in paths if not (RUNBOOK.parent / path).is_file()]


@pytest.mark.parametrize(
    "block",
    [block for block in blocks() if block.language == "yaml"],
    ids=lambda block: f"{block.section} {block.number}",
)
def test_configuration_in_the_runbook_is_yaml(block: Any) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


def test_every_alert_of_etcd_mixin_that_ours_overlap_is_named_once_in_the_table() -> None:
    rows = re.findall(r"(?m)^\| `(etcd\w+)`", sections()["beside-etcd-mixin"])
    expected = {
        "etcdDatabaseQuotaLowSpace",
        "etcdExcessiveDatabaseGrowth",
        "etcdDatabaseHighFragmentationRatio",
    }
    assert (3, expected) == (len(rows), set(rows))
