"""Every name that a rule or a panel may ask for: ours, recorded ones, and those of others."""

import functools
from pathlib import Path
from typing import Any

import yaml

from tools.metrics_doc import (
    admitter_registry,
    controller_registry,
    evaluator_registry,
    sample_names,
)

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "deploy" / "helm" / "etcd-shield" / "files"
ALERTS = FILES / "alerts.yaml"

# Made by Prometheus itself, and by the API server (Kubernetes metrics reference).
FOREIGN = {
    "up",
    "ALERTS",
    "apiserver_admission_webhook_rejection_count",
    "apiserver_admission_webhook_fail_open_count",
}
# etcd's own and the Go runtime's; a panel that asks for one that does not exist is empty, which the
# test on a real etcd notices.
FOREIGN_PREFIXES = ("etcd_", "grpc_server_", "process_", "go_")


def rules() -> list[dict[str, Any]]:
    """Return all rules of the chart's rule file."""
    document = yaml.safe_load(ALERTS.read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


@functools.cache
def exposed_names() -> set[str]:
    """Return every name that our services export or our rules record."""
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    registries = (evaluator_registry(), admitter_registry(), controller_registry())
    return set().union(*map(sample_names, registries)) | recorded


def unknown(names: set[str]) -> set[str]:
    """Return those of the names that nobody exports."""
    ours = {name for name in names if name.startswith("etcd_shield")}
    foreign = {name for name in names - ours - FOREIGN if not name.startswith(FOREIGN_PREFIXES)}
    return (ours - exposed_names()) | foreign
