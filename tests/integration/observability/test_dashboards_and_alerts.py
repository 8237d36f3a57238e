"""Every panel's every query, and every rule, after a real denial and a real recovery.

One story for all facts here, because it takes a minute.
"""

import asyncio
import json
import math
import time
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.integration.observability.story import Stage, deny, recover, staged
from tests.unit.observability.exposure import FILES, rules

pytestmark = pytest.mark.long

STEP = 1
# What Grafana puts in. All of a variable is `.*`, which matches series without the label too.
SUBSTITUTIONS = {
    "$__rate_interval": "10s",
    "$cluster": ".*",
    "$namespace": ".*",
    "$job": ".*",
    "$etcd_job": ".*",
    "$signal": ".*",
}
EMPTY = {
    ("admitter", "Calls that failed, as the API server counts them"): "no API server here",
}
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((FILES / "dashboards").glob("*.json"))
    # Its controller would need an API server; `tests/e2e/controller` looks at its metrics.
    if "controller" != path.stem
}


@dataclass(frozen=True)
class Asked:
    """One query of one dashboard."""

    dashboard: str
    place: str
    title: str
    expr: str

    def __str__(self) -> str:
        return f"{self.dashboard} {self.place}: {self.title}"


@dataclass
class Seen:
    """What the story left behind."""

    finite: dict[Asked, bool] = field(default_factory=dict)
    series: dict[str, bool] = field(default_factory=dict)
    rule_health: dict[str, str] = field(default_factory=dict)
    fired: set[str] = field(default_factory=set)
    pages: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def asked() -> list[Asked]:
    """List every query: panels' and annotations'."""
    found = []
    for name, dashboard in DASHBOARDS.items():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                place = f"{panel['id']}{target['refId']}"
                found.append(Asked(name, place, panel["title"], target["expr"]))
        marks = dashboard["annotations"]["list"]
        found += [Asked(name, "annotation", mark["name"], mark["expr"]) for mark in marks]
    return found


def variables() -> list[str]:
    """List the selectors that variables take their values from."""
    definitions = {
        variable["definition"]
        for dashboard in DASHBOARDS.values()
        for variable in dashboard["templating"]["list"]
        if variable["type"] == "query"
    }
    return sorted(definitions)


def filled_in(text: str) -> str:
    for name, value in SUBSTITUTIONS.items():
        text = text.replace(name, value)
    return text


async def play() -> Seen:
    seen = Seen()
    async with staged() as stage:
        await deny(stage)
        seen.pages["denying"], seen.headers = await stage.page()
        await recover(stage)
        seen.pages["admitting"], _ = await stage.page()
        for query in asked():
            seen.finite[query] = await has_finite_values(stage, query.expr)
        for definition in variables():
            seen.series[definition] = await has_values(stage, definition)
        await look_at_rules(stage, seen)
    return seen


async def answers(stage: Stage, expr: str) -> Any:
    """Ask for every step until now, and the one after, which sees the last scrape."""
    return await stage.ask_prometheus(
        "query_range",
        query=expr,
        start=f"{stage.began:.3f}",
        end=f"{time.time() + STEP:.3f}",
        step=str(STEP),
    )


async def has_finite_values(stage: Stage, expr: str) -> bool:
    data = await answers(stage, filled_in(expr))
    values = (float(value) for series in data["result"] for _, value in series["values"])
    return any(map(math.isfinite, values))


async def has_values(stage: Stage, definition: str) -> bool:
    selector, _, label = definition.removeprefix("label_values(").removesuffix(")").rpartition(", ")
    series = await stage.ask_prometheus("series", **{"match[]": filled_in(selector)})
    return any(label in labels for labels in series)


async def look_at_rules(stage: Stage, seen: Seen) -> None:
    data = await stage.ask_prometheus("rules")
    for group in data["groups"]:
        for rule in group["rules"]:
            seen.rule_health[rule["name"]] = rule["health"]
    data = await answers(stage, 'ALERTS{alertstate="firing"}')
    seen.fired = {series["metric"]["alertname"] for series in data["result"]}


@pytest.fixture(scope="module")
def seen() -> Seen:
    return asyncio.run(play())


@pytest.mark.parametrize(
    "query", [query for query in asked() if (query.dashboard, query.title) not in EMPTY], ids=str
)
def test_a_query_answers_with_values(seen: Seen, query: Asked) -> None:
    assert seen.finite[query]


@pytest.mark.parametrize(
    "query", [query for query in asked() if (query.dashboard, query.title) in EMPTY], ids=str
)
def test_a_query_that_is_listed_as_empty_is_empty(seen: Seen, query: Asked) -> None:
    assert not seen.finite[query], "take it off the list of exceptions"


@pytest.mark.parametrize(
    "definition",
    # One Prometheus that scrapes static targets has neither label; "All" matches that.
    [text for text in variables() if not text.endswith((", cluster)", ", namespace)"))],
)
def test_a_variable_has_values(seen: Seen, definition: str) -> None:
    assert seen.series[definition]


@pytest.mark.parametrize("rule", [rule.get("alert") or rule["record"] for rule in rules()])
def test_a_rule_is_evaluated_without_an_error(seen: Seen, rule: str) -> None:
    assert "ok" == seen.rule_health[rule]


def test_only_the_alert_for_the_denial_fires(seen: Seen) -> None:
    assert {"EtcdShieldDenyAdmission"} == seen.fired


@pytest.mark.parametrize(
    ("when", "words"),
    [("denying", "Denying tier standard"), ("admitting", "Admitting every tier")],
    ids=["denying", "admitting"],
)
def test_the_status_page_has_the_headline(seen: Seen, when: str, words: str) -> None:
    assert words in seen.pages[when]


def test_the_status_page_lists_the_changes(seen: Seen) -> None:
    assert 2 == seen.pages["admitting"].count('class="to"')


def test_the_status_page_draws_the_last_hour_of_each_signal(seen: Seen) -> None:
    assert 2 == seen.pages["admitting"].count('class="curve"')


def test_the_status_page_is_served_under_its_policy(seen: Seen) -> None:
    assert seen.headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'sha2")
