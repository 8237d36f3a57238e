"""The chart's dashboards: as their builder writes them, and fit for any Grafana."""

import json
from typing import Any

import pytest

from tests.unit.observability.exposure import FILES, unknown
from tests.unit.observability.promql import metric_names
from tools.dashboards.__main__ import stale

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UIDS = {
    "overview": "etcd-shield-overview",
    "admitter": "etcd-shield-admitter",
    "controller": "etcd-shield-controller",
    "evaluator-and-etcd": "etcd-shield-evaluator",
}
DASHBOARDS: dict[str, dict[str, Any]] = {
    name: json.loads((FILES / "dashboards" / f"{name}.json").read_text()) for name in UIDS
}
PANELS = [
    pytest.param(panel, id=f"{name} {panel['id']}: {panel['title']}")
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
    if panel["type"] != "row"
]
by_dashboard = pytest.mark.parametrize("name", list(UIDS))
by_panel = pytest.mark.parametrize("panel", PANELS)


def test_the_files_are_what_their_builder_writes() -> None:
    assert [] == stale(), "run `make generate`"


@by_dashboard
def test_a_uid_never_changes(name: str) -> None:
    assert UIDS[name] == DASHBOARDS[name]["uid"]


@by_dashboard
def test_there_are_variables_for_where_to_look(name: str) -> None:
    names = [variable["name"] for variable in DASHBOARDS[name]["templating"]["list"]]
    assert ["datasource", "cluster", "namespace", "job"] == names[:4]


@by_dashboard
def test_panel_numbers_are_unique(name: str) -> None:
    numbers = [panel["id"] for panel in DASHBOARDS[name]["panels"]]
    assert sorted(set(numbers)) == numbers


@by_dashboard
def test_no_data_source_is_hard_coded(name: str) -> None:
    found: list[Any] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            found.extend(value for key, value in node.items() if key == "datasource")
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DASHBOARDS[name])
    assert [DATASOURCE] * len(found) == found


@by_dashboard
def test_a_dashboard_marks_when_a_tier_opens_and_closes(name: str) -> None:
    marks = DASHBOARDS[name]["annotations"]["list"]
    assert ["Changed to deny", "Changed to allow"] == [mark["name"] for mark in marks]


@by_panel
def test_a_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["description"].endswith(".")


@by_panel
def test_a_panel_has_a_unit(panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]


@by_panel
def test_every_metric_that_a_panel_asks_for_exists(panel: dict[str, Any]) -> None:
    asked = set().union(*(metric_names(target["expr"]) for target in panel["targets"]))
    assert set() == unknown(asked)
