"""The same dashboards for OpenShift's console, which shows Grafana's old panels only.

Form: https://github.com/openshift/monitoring-plugin, legacy dashboards: rows with a list of panels
of the types graph, singlestat and table, whose width is a `span` of 12. It knows neither
annotations, links, data sources nor repeated panels. "All" of a variable becomes `.+`, which
matches no series without the label. A console belongs to one cluster, so the variable and the
matcher `cluster` are left out.
"""

import re
from collections.abc import Sequence
from typing import Final

from tools.dashboards.grafana import VARIABLES, Dashboard, Json, Panel, Query, Row, Variable

TYPES: Final = {
    "timeseries": "graph",
    "state-timeline": "graph",
    "heatmap": "graph",
    "stat": "singlestat",
    "gauge": "singlestat",
}
SPAN: Final = 12  # columns of the console's grid; Grafana's has 24
# Units that the console formats; others are shown as plain numbers.
UNITS: Final = {"dtdurations": "s", "percentunit": "percentunit", "s": "s", "bytes": "bytes"}
_CLUSTER: Final = re.compile(r'\{cluster=~"\$cluster"\}|cluster=~"\$cluster", ')
QUANTILES: Final = (0.5, 0.99)  # a histogram's buckets as a graph


def console(dashboard: Dashboard) -> Json:
    """Return the dashboard as OpenShift's console reads it."""
    variables = [v for v in (*VARIABLES, *dashboard.variables) if v.name != "cluster"]
    return {
        "uid": f"{dashboard.uid}-console",
        "title": dashboard.title,
        "description": dashboard.text,
        "tags": ["etcd-shield"],
        "schemaVersion": 14,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [_variable(variable) for variable in variables]},
        "rows": _rows(dashboard.rows),
    }


def without_cluster(text: str) -> str:
    """Remove the matcher of the variable `cluster`."""
    return _CLUSTER.sub("", text)


def _variable(variable: Variable) -> Json:
    return {
        "type": "query",
        "name": variable.name,
        "label": variable.label,
        "query": without_cluster(variable.values),
        "refresh": 2,
        "sort": 1,
        "multi": True,
        "includeAll": True,
        "current": {"text": "All", "value": "$__all"},
    }


def _rows(rows: Sequence[Row]) -> list[Json]:
    number, result = 1, []
    for row in rows:
        panels = [_panel(panel, number + place) for place, panel in enumerate(row.panels)]
        number += len(panels)
        result.append({"title": row.title, "showTitle": True, "collapse": False, "panels": panels})
    return result


def _panel(panel: Panel, number: int) -> Json:
    kind = TYPES[panel.kind]
    unit = UNITS.get(panel.unit, "short")
    common: Json = {
        "id": number,
        "title": panel.title,
        "description": panel.text,
        "type": kind,
        "span": max(1, panel.width * SPAN // 24),
        "targets": _targets(panel),
    }
    if kind == "singlestat":
        return common | {"format": unit, "valueName": "current", "valueMaps": _words(panel)}
    axes = [{"format": unit, "min": panel.lowest, "max": panel.highest, "show": True}]
    return common | {"yaxes": axes, "stack": panel.stack, "lines": True, "fill": 1}


def _targets(panel: Panel) -> list[Json]:
    targets = [target for query in panel.queries for target in _target(query)]
    return [{**target, "refId": chr(ord("A") + place)} for place, target in enumerate(targets)]


def _target(query: Query) -> list[Json]:
    expr = without_cluster(query.expr)
    if not query.heatmap:
        return [{"expr": expr, "format": "time_series", "legendFormat": query.legend}]
    return [
        {
            "expr": f"histogram_quantile({quantile}, {expr})",
            "format": "time_series",
            "legendFormat": f"{quantile:.0%}",
        }
        for quantile in QUANTILES
    ]


def _words(panel: Panel) -> list[Json]:
    """Return the values that are shown as words."""
    return [
        {"op": "=", "value": value, "text": option["text"]}
        for mapping in panel.mappings
        for value, option in mapping.get("options", {}).items()
    ]
