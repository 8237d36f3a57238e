"""The dashboards as Grafana's own models read them (grafana-foundation-sdk, the current line).

Not the console's dashboards: OpenShift reads the rows of Grafana 5, which have no models.
"""

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models import (
    dashboard,
    gauge,
    heatmap,
    prometheus,
    stat,
    statetimeline,
    timeseries,
    units,
)

from tests.unit.observability.test_dashboards import DASHBOARDS, by_panel

OPTIONS: dict[str, Any] = {
    "gauge": gauge.Options,
    "heatmap": heatmap.Options,
    "stat": stat.Options,
    "state-timeline": statetimeline.Options,
    "timeseries": timeseries.Options,
}
# Read by the data source's own code: the models of a dashboard leave them to it.
OF_THE_DATA_SOURCE = re.compile(
    r"\.annotations\.list\[\d\]\.(step|titleFormat)|\.templating\.list\[\d\]\.definition"
)
# The unit ids that Grafana knows, and the form for a word after the number.
UNITS = {value for value in vars(units).values() if isinstance(value, str)}
SUFFIX = "suffix:"
# Labels of the outermost aggregation: `sum by (a, b) (…)`, alone or within a quantile.
GROUPED = re.compile(r"^(?:histogram_quantile\([\d.]+, )?(?:sum|max|min|count) by \(([^)]*)\)")

register_default_plugins()


def written(model: object) -> Any:
    return json.loads(JSONEncoder().encode(model))


def lost(before: Any, after: Any, path: str = "") -> list[str]:
    """Return the paths of what is in `before` and not, or not the same, in `after`."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            found
            for key, value in before.items()
            for found in lost(value, after.get(key), f"{path}.{key}")
        ]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = enumerate(zip(before, after, strict=True))
        return [found for at, (a, b) in pairs for found in lost(a, b, f"{path}[{at}]")]
    return [] if before == after else [path]


@pytest.mark.parametrize("name", list(DASHBOARDS))
def test_grafanas_models_keep_everything_of_a_dashboard(name: str) -> None:
    read = dashboard.Dashboard.from_json(DASHBOARDS[name])
    paths = lost(DASHBOARDS[name], written(read))
    assert [] == [path for path in paths if not OF_THE_DATA_SOURCE.fullmatch(path)]


@by_panel
def test_every_target_is_a_query_of_prometheus(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert [] == lost(target, written(prometheus.Dataquery.from_json(target)))


@by_panel
def test_a_panels_options_are_those_of_its_kind(panel: dict[str, Any]) -> None:
    read = OPTIONS[panel["type"]].from_json(panel["options"])
    assert [] == lost(panel["options"], written(read))


@by_panel
def test_grafana_knows_the_unit(panel: dict[str, Any]) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    assert unit in UNITS or unit.startswith(SUFFIX)


@by_panel
def test_a_legend_tells_the_series_of_a_query_apart(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        grouped = GROUPED.match(target["expr"])
        labels = set(grouped[1].split(", ")) - {"le"} if grouped else set()
        shown = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert set() == labels - shown, target["expr"]
