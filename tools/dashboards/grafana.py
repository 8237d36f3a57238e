"""The few pieces of Grafana's dashboard JSON that ours are made of.

Form: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
Every panel has a description, a unit and a width; the data source is always the variable.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tools.dashboards.colours import GREEN, RED

Json = dict[str, Any]

SCHEMA: Final = 39  # Grafana 10.4; newer ones migrate it when it is opened
WIDTH: Final = 24  # columns of Grafana's grid
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
OURS: Final = 'cluster=~"$cluster", namespace=~"$namespace", job=~"$job"'
ETCD: Final = 'cluster=~"$cluster", job=~"$etcd_job"'
# The same replica in two metrics.
REPLICA: Final = "on (cluster, namespace, job, instance)"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One PromQL expression of a panel.

    Attributes:
        expr: with Grafana's variables.
        legend: how its series are called.
        heatmap: the series are a histogram's buckets.
    """

    expr: str
    legend: str = ""
    heatmap: bool = False

    def json(self, ref: str) -> Json:
        """Return the target."""
        return {
            "datasource": DATASOURCE,
            "editorMode": "code",
            "expr": self.expr,
            "format": "heatmap" if self.heatmap else "time_series",
            "legendFormat": self.legend,
            "range": True,
            "refId": ref,
        }


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One panel.

    Attributes:
        title: a noun.
        text: what it shows and what to make of it.
        queries: what it asks.
        kind: Grafana's panel type.
        unit: Grafana's unit id.
        width: columns of 24.
        height: rows of 30 pixels.
        mappings: values shown as words.
        steps: (from value, colour), the first from None.
        lowest: the axis' lower end; None leaves it to the data.
        highest: the axis' upper end; None leaves it to the data.
        no_value: shown when there is nothing.
        repeat: the variable for each of whose values the panel is repeated.
        stack: whether series are stacked.
    """

    title: str
    text: str
    queries: Sequence[Query]
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 12
    height: int = 8
    mappings: Sequence[Json] = ()
    steps: Sequence[tuple[float | None, str]] = ((None, GREEN),)
    lowest: float | None = 0
    highest: float | None = None
    no_value: str | None = None
    repeat: str | None = None
    stack: bool = False

    def json(self, number: int, x: int, y: int) -> Json:
        """Return the panel at its place."""
        defaults: Json = {
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "custom": self._custom(),
            "mappings": list(self.mappings),
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": color} for value, color in self.steps],
            },
            "unit": self.unit,
        }
        bounds = {"min": self.lowest, "max": self.highest, "noValue": self.no_value}
        defaults |= {key: value for key, value in bounds.items() if value is not None}
        panel: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.text,
            "datasource": DATASOURCE,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": _OPTIONS[self.kind],
            "targets": [
                query.json(chr(ord("A") + index)) for index, query in enumerate(self.queries)
            ],
        }
        if self.repeat is not None:
            panel |= {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": 2}
        return panel

    def _custom(self) -> Json:
        if self.kind == "timeseries":
            custom: Json = {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never"}
            return custom | ({"stacking": {"mode": "normal"}} if self.stack else {})
        if self.kind == "state-timeline":
            return {"lineWidth": 0, "fillOpacity": 80}
        return {}


_LEGEND: Final = {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]}
_LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
_OPTIONS: Final[Mapping[str, Json]] = {
    "timeseries": {"legend": _LEGEND, "tooltip": {"mode": "multi", "sort": "desc"}},
    "state-timeline": {
        "legend": {"displayMode": "list", "placement": "bottom"},
        "mergeValues": True,
        "rowHeight": 0.8,
        "showValue": "auto",
    },
    "stat": {"colorMode": "background", "graphMode": "none", "reduceOptions": _LAST},
    "gauge": {"reduceOptions": _LAST, "showThresholdMarkers": True},
    "heatmap": {
        "calculate": False,
        "cellGap": 1,
        "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
        "yAxis": {"unit": "s"},
    },
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """A heading and the panels under it.

    Attributes:
        title: the heading.
        panels: from left to right, wrapping.
    """

    title: str
    panels: Sequence[Panel]


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A drop-down list of a label's values, "All" among them.

    Attributes:
        name: how queries call it.
        label: how people call it.
        values: `label_values(...)`.
    """

    name: str
    label: str
    values: str

    def json(self) -> Json:
        """Return the variable; All matches series without the label, too."""
        return {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": DATASOURCE,
            "definition": self.values,
            "query": {"query": self.values, "refId": self.name},
            "refresh": 2,
            "sort": 1,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
            "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        }


VARIABLES: Final = (
    Variable(
        name="cluster", label="Cluster", values="label_values(etcd_shield_build_info, cluster)"
    ),
    Variable(
        name="namespace",
        label="Namespace",
        values='label_values(etcd_shield_build_info{cluster=~"$cluster"}, namespace)',
    ),
    Variable(
        name="job",
        label="Job",
        values="label_values("
        'etcd_shield_build_info{cluster=~"$cluster", namespace=~"$namespace"}, job)',
    ),
)


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: in its URL, for ever.
        title: in the list of dashboards.
        text: what it answers.
        rows: from top to bottom.
        variables: besides the data source, cluster, namespace and job.
    """

    uid: str
    title: str
    text: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())

    def json(self) -> Json:
        """Return the dashboard as Grafana imports it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.text,
            "tags": ["etcd-shield"],
            "schemaVersion": SCHEMA,
            "version": 1,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": "now-3h", "to": "now"},
            "annotations": {"list": [_changes("deny", RED), _changes("allow", GREEN)]},
            "links": [
                {
                    "type": "dashboards",
                    "title": "etcd-shield",
                    "tags": ["etcd-shield"],
                    "keepTime": True,
                    "includeVars": True,
                }
            ],
            "templating": {
                "list": [
                    {
                        "type": "datasource",
                        "name": "datasource",
                        "label": "Data source",
                        "query": "prometheus",
                        "current": {},
                        "refresh": 1,
                    },
                    *(variable.json() for variable in (*VARIABLES, *self.variables)),
                ]
            },
            "panels": list(_placed(self.rows)),
        }


def _changes(to: str, color: str) -> Json:
    return {
        "name": f"Changed to {to}",
        "datasource": DATASOURCE,
        "enable": True,
        "expr": f"sum by (tier) (increase(etcd_shield_transitions_total"
        f'{{{OURS}, to="{to}"}}[$__rate_interval])) > 0',
        "iconColor": color,
        "step": "30s",
        "titleFormat": f"{{{{tier}}}}: {to}",
    }


def _placed(rows: Iterable[Row]) -> Iterable[Json]:
    number, y = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1},
            "panels": [],
        }
        number, y, x, tallest = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > WIDTH:
                y, x, tallest = y + tallest, 0, 0
            yield panel.json(number, x, y)
            number, x, tallest = number + 1, x + panel.width, max(tallest, panel.height)
        y += tallest
