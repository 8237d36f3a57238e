"""The dashboards for OpenShift's console: the same questions, in panels that it shows."""

import json
import re
from typing import Any

import pytest

from tests.unit.observability.exposure import FILES, unknown
from tests.unit.observability.promql import metric_names
from tools.dashboards.openshift import without_cluster

NAMES = ("overview", "admitter", "controller", "evaluator-and-etcd")
# Panels that the console draws; it shows nothing in place of others.
SHOWN = {"graph", "singlestat", "table", "gauge", "piechart"}
CONSOLE: dict[str, dict[str, Any]] = {
    name: json.loads((FILES / "console-dashboards" / f"{name}.json").read_text()) for name in NAMES
}
GRAFANA: dict[str, dict[str, Any]] = {
    name: json.loads((FILES / "dashboards" / f"{name}.json").read_text()) for name in NAMES
}
PANELS = [
    pytest.param(panel, name, id=f"{name} {panel['id']}: {panel['title']}")
    for name, dashboard in CONSOLE.items()
    for row in dashboard["rows"]
    for panel in row["panels"]
]
by_dashboard = pytest.mark.parametrize("name", NAMES)
by_panel = pytest.mark.parametrize(("panel", "name"), PANELS)


@pytest.mark.shows("trial T22")
@by_panel
def test_the_console_shows_the_panel(panel: dict[str, Any], name: str) -> None:
    assert panel["type"] in SHOWN, name


@pytest.mark.shows("trial T22")
@by_dashboard
def test_no_panel_of_grafana_s_is_missing(name: str) -> None:
    titles = [panel["title"] for panel in GRAFANA[name]["panels"] if "row" != panel["type"]]
    assert titles == [p["title"] for row in CONSOLE[name]["rows"] for p in row["panels"]]


@by_panel
def test_a_panel_asks_for_metrics_that_exist(panel: dict[str, Any], name: str) -> None:
    asked = set().union(*(metric_names(target["expr"]) for target in panel["targets"]))
    assert asked, name
    assert set() == unknown(asked)


@pytest.mark.shows("trial T22")
@by_panel
def test_a_panel_uses_only_variables_that_the_console_fills(
    panel: dict[str, Any], name: str
) -> None:
    listed = {variable["name"] for variable in CONSOLE[name]["templating"]["list"]}
    filled = listed | {"__rate_interval", "__interval", "__range"}
    used = {
        word
        for target in panel["targets"]
        for word in re.findall(r"\$\{?(\w+)", target["expr"] + target["legendFormat"])
    }
    assert set() == used - filled


@by_dashboard
def test_variables_ask_for_no_other_that_is_missing(name: str) -> None:
    variables = CONSOLE[name]["templating"]["list"]
    listed = {variable["name"] for variable in variables}
    used = {word for v in variables for word in re.findall(r"\$(\w+)", v["query"])}
    assert set() == used - listed
    assert {"query"} == {variable["type"] for variable in variables}


@by_dashboard
def test_a_single_value_is_shown_in_words_where_grafana_does(name: str) -> None:
    grafana = {p["title"]: p for p in GRAFANA[name]["panels"] if "stat" == p["type"]}
    console = {p["title"]: p for row in CONSOLE[name]["rows"] for p in row["panels"]}
    for title, panel in grafana.items():
        mapped = bool(panel["fieldConfig"]["defaults"]["mappings"])
        assert mapped == bool(console[title]["valueMaps"]), title


def test_the_matcher_of_the_cluster_goes_wherever_it_is_alone_or_first() -> None:
    assert 'a or b{x=~"$x"}' == without_cluster(
        'a{cluster=~"$cluster"} or b{cluster=~"$cluster", x=~"$x"}'
    )
