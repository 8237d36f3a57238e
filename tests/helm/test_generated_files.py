"""README.md, values.schema.json and required-values.json, which tools/chart.py writes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.helm.chart import CHART, ROOT

# Optional settings of the services: absent means off, so values.yaml has no default to show.
WITHOUT_DEFAULT = {
    "evaluator.config.status_url",
    "evaluator.config.runbook_url",
    "evaluator.config.admitters",
}


def test_generated_files_are_up_to_date() -> None:
    check = [sys.executable, str(ROOT / "tools" / "chart.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False, timeout=60)
    assert (0, "") == (done.returncode, done.stderr)


def schema() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
    return whole


def values() -> dict[str, Any]:
    whole: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return whole


def _keys(node: dict[str, Any], path: str = "") -> Iterator[str]:
    for key, child in node.get("properties", {}).items():
        yield f"{path}{key}"
        yield from _keys(child, f"{path}{key}.")


def _values(node: dict[str, Any], known: set[str], path: str = "") -> Iterator[str]:
    for key, child in node.items():
        yield f"{path}{key}"
        # Below what the schema does not name key by key are the user's own keys.
        if isinstance(child, dict) and any(k.startswith(f"{path}{key}.") for k in known):
            yield from _values(child, known, f"{path}{key}.")


def test_the_schema_knows_every_value() -> None:
    known = set(_keys(schema()))
    assert set() == set(_values(values(), known)) - known


def test_every_value_of_the_schema_has_a_default_to_see() -> None:
    known = set(_keys(schema()))
    present = set(_values(values(), known))
    missing = {key for key in known - present if key.rpartition(".")[0] in {"", *present}}
    # A setting below an optional one, a selector, and a key of Helm itself have none.
    optional = {key for key in missing if _is_optional(key)}
    assert set() == missing - optional


def _is_optional(key: str) -> bool:
    parent = key.rpartition(".")[0]
    return (
        key == "enabled"
        or key in WITHOUT_DEFAULT
        or parent in {"webhook.namespaceSelector", "webhook.objectSelector"}
        or parent in {"evaluator.config.prometheus", "admitter.config.denial"}
    )


def _objects(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield path, node
        for key, child in node.items():
            yield from _objects(child, f"{path}/{key}")
    elif isinstance(node, list):
        for index, child in enumerate(node):
            yield from _objects(child, f"{path}/{index}")


def test_the_schema_leaves_open_only_what_kubernetes_checks() -> None:
    unbounded = {
        path
        for path, node in _objects(schema())
        if node.get("type") == "object"
        and "additionalProperties" not in node
        and not node.get("$comment", "").startswith("Kubernetes: ")
    }
    assert set() == unbounded


@pytest.mark.shows("trial T15")
def test_a_parent_chart_may_have_global_values_of_its_own() -> None:
    known = schema()["properties"]["global"]
    assert "additionalProperties" not in known
    assert ["object", "null"] == known["type"]
