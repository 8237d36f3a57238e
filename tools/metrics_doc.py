"""Write docs/metrics.md from the services' own registries, or tell whether it is stale.

Run it as `python -m tools.metrics_doc` where the four distributions are installed
(`.tox/unit/bin/python`); `--check` writes nothing and exits with 1 when the page is stale.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry

from shield_admitter.core.verdict import Mode, Policy
from shield_admitter.metrics import Metrics as AdmitterMetrics
from shield_common.decision_age import FreshnessLimits
from shield_common.store.settings import RedisSettings
from shield_controller.metrics import Metrics as ControllerMetrics
from shield_controller.settings import ControllerSettings
from shield_evaluator.core.plan import OnBlind, Plan, RoomPlan, SignalPlan, Threshold, Unit
from shield_evaluator.metrics import Metrics as EvaluatorMetrics

PAGE: Final = Path(__file__).resolve().parent.parent / "docs" / "metrics.md"
PREFIX: Final = "etcd_shield_"

# Labels whose values are an installation's own; for all others the values are listed.
OPEN_LABELS: Final = {
    "signal": "a signal's name",
    "tier": "a tier's name",
    "member": "an etcd member as the query's samples name it, at most 20",
    "version": "the service's version",
    "cluster_queue": "a ClusterQueue of `kueue.cluster_queues`",
    "task": "a background task's name",
}

INTRODUCTION: Final = """\
# Metrics

<!-- Written by `make generate` from the code; a test holds it to it. -->

All services show these at `/metrics` on port 9100 (`metrics.listen`), besides `process_*`. Every
series exists from the start, so that a rate over a counter begins at its first event and an alert
never waits for a series to appear; only `etcd_shield_signal_value` has to wait for the first
samples, which name the members, and the controller's tiers for a decision. No label has values
that a requester chooses: the number of series is set by the configuration. Only a held run's label
can name a tier that does not exist, and of those the controller shows at most 100.

`etcd_shield_allow` and `etcd_shield_tier_allow` exist in evaluator and admitters. The evaluator's
is what it decided, the admitter's what it would answer now, and `EtcdShieldAdmittersDisagree` fires
when they differ. An evaluator that has decided nothing (just started, or standing by for another)
shows NaN there, never 0.

The chart's rules record two more names, one series per installation: `etcd_shield_trigger` (1 while
the default tier is denied) and, while no evaluator exports it itself, `etcd_shield_alert_triggered`
([why](adr/0040-recorded-names-beside-exported-ones.md)).
"""


class Exposed(NamedTuple):
    """One metric as a page or a query sees it.

    Attributes:
        name: as in `/metrics`, without a histogram's suffixes.
        kind: counter, gauge or histogram.
        text: its help.
        labels: label -> values.
    """

    name: str
    kind: str
    text: str
    labels: dict[str, list[str]]


def evaluator_registry() -> CollectorRegistry:
    """Return an evaluator's registry after its first samples."""
    room = RoomPlan(
        target=0.88, run_cost=4 * 1024**2, lag_ms=30_000, grows_over_ms=900_000, spend_ms=60_000
    )
    threshold = Threshold(set=0.9, reset=0.8, warn=0.8, room=room)
    signal = SignalPlan(members=3, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO)
    plan = Plan(
        signals={"db-file": signal},
        tiers={"standard": {"db-file": threshold}},
        default_tier="standard",
    )
    metrics = EvaluatorMetrics(plan)
    metrics.signal_value.labels("db-file", "10.0.0.3:2379").set(0.5)
    metrics.task_crashes.labels("evaluate")
    return metrics.registry


def admitter_registry() -> CollectorRegistry:
    """Return an admitter's registry."""
    policy = Policy(
        tier_rules=(),
        default_tier="standard",
        mode=Mode.ENFORCE,
        limits=FreshnessLimits(30_000, 300_000),
        allow_unknown=True,
    )
    metrics = AdmitterMetrics(policy)
    metrics.create_task_series(["follow"])
    return metrics.registry


def controller_registry() -> CollectorRegistry:
    """Return a controller's registry after its first decision."""
    settings = ControllerSettings(cluster="c", redis=RedisSettings(url="redis://redis:6379/0"))
    metrics = ControllerMetrics(settings)
    metrics.create_task_series(["follow"])
    metrics.count_result("standard", "released")
    metrics.show_queue("cluster-queue", stopped=False)
    return metrics.registry


def exposed(registry: CollectorRegistry) -> list[Exposed]:
    """List a registry's own metrics, sorted by name."""
    found = []
    for family in registry.collect():
        if not family.name.startswith(PREFIX):
            continue
        labels: dict[str, set[str]] = {}
        for sample in family.samples:
            for label, value in sample.labels.items():
                if label != "le":  # a histogram's own
                    labels.setdefault(label, set()).add(value)
        found.append(
            Exposed(
                name=family.name + ("_total" if family.type == "counter" else ""),
                kind=family.type,
                text=family.documentation,
                labels={label: sorted(values) for label, values in labels.items()},
            )
        )
    return sorted(found)


def sample_names(registry: CollectorRegistry) -> set[str]:
    """Return every name that a query can ask a registry for."""
    return {sample.name for family in registry.collect() for sample in family.samples}


def page() -> str:
    """Return the page."""
    services = {
        "Evaluator": evaluator_registry(),
        "Admitter": admitter_registry(),
        "Controller": controller_registry(),
    }
    lines = [INTRODUCTION]
    for service, registry in services.items():
        lines += [f"## {service}", "", *_table(exposed(registry)), ""]
    lines += ["## Labels", "", "| label | values |", "|---|---|"]
    lines += [f"| `{label}` | {text} |" for label, text in OPEN_LABELS.items()]
    return "\n".join(lines) + "\n"


def _table(metrics: Iterable[Exposed]) -> Iterator[str]:
    yield "| name | kind | labels | meaning |"
    yield "|---|---|---|---|"
    for metric in metrics:
        labels = "; ".join(_label(label, values) for label, values in metric.labels.items())
        yield f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |"


def _label(label: str, values: list[str]) -> str:
    if label in OPEN_LABELS:
        return f"`{label}`"
    return f"`{label}`: " + ", ".join(f"`{value}`" for value in values)


def main() -> int:
    """Write the page, or compare it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="exit with 1 when the page is stale")
    arguments = parser.parse_args()
    fresh = page()
    if not arguments.check:
        PAGE.write_text(fresh)
    elif not PAGE.exists() or PAGE.read_text() != fresh:
        print("docs/metrics.md is stale: run `make generate`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
