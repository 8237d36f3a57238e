"""The evaluator's metrics: facts in, Prometheus series out.

Every series exists from the start. No label has values that a requester chooses; member names
come from Prometheus and are capped. What this process does not know (before its first decision,
and while another evaluator decides) is NaN: 0 would say that requests are denied.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from shield_common.store.protocol import PublishResult
from shield_evaluator.core.latch import LatchState, is_blind
from shield_evaluator.cycle import Outcome
from shield_evaluator.prometheus.answer import KINDS

if TYPE_CHECKING:
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.cycle import Report

# An etcd cluster has at most seven members that make sense; a query that lost its aggregation
# must not fill Prometheus.
MAX_MEMBERS: Final = 20
SIGNAL_STATES: Final = ("ok", "partial", "unusable", "blind")
UNDECIDED: Final = float("nan")
BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Every series of the evaluator, on a registry of its own."""

    def __init__(self, plan: Plan) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"etcd_shield_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"etcd_shield_{name}", text, labels, registry=registry)

        self.allow = gauge("allow", "1 while the default tier admits, 0 while it denies.")
        self.alert_triggered = gauge(
            "alert_triggered",
            "1 while the default tier denies: the name that the Go etcd-shield's users federate.",
        )
        self.tier_allow = gauge(
            "tier_allow", "1 while the tier admits, 0 while it denies.", ("tier",)
        )
        self.signal_value = gauge(
            "signal_value",
            "A member's value of a signal, in the signal's unit.",
            ("signal", "member"),
        )
        self.signal_state = gauge(
            "signal_state", "1 for the state that the signal is in.", ("signal", "state")
        )
        self.threshold = gauge(
            "threshold",
            "A configured threshold, in the signal's unit.",
            ("signal", "tier", "bound"),
        )
        self.latch_set = gauge("latch_set", "1 while the latch is SET.", ("signal", "tier"))
        self.transitions = counter(
            "transitions", "How often a tier changed, by what it changed to.", ("tier", "to")
        )
        self.evaluations = counter("evaluations", "Cycles, by how they ended.", ("result",))
        self.overruns = counter(
            "evaluation_overruns", "Ticks skipped because a cycle took too long."
        )
        self.duration = Histogram(
            "etcd_shield_evaluation_duration_seconds",
            "How long a cycle took, waiting for Prometheus and Redis included.",
            buckets=BUCKETS,
            registry=registry,
        )
        self.last_evaluation = gauge(
            "last_evaluation_timestamp_seconds", "When the last cycle evaluated, Unix time."
        )
        self.prometheus_errors = counter(
            "prometheus_errors", "Queries without a usable answer, by class.", ("class",)
        )
        self.publish = counter("publish", "Publications, by the store's answer.", ("result",))
        self.lease_held = gauge("lease_held", "1 while this evaluator is the writer.")
        self.override_active = gauge(
            "override_active", "1 while an operator's override speaks for the tier.", ("tier",)
        )
        self.time_to_full = gauge(
            "time_to_full_seconds",
            "Until the quota is reached at the present slope; +Inf when usage is flat or falls.",
        )
        self.config_reloads = counter("config_reloads", "Configuration reloads.", ("result",))
        self.task_crashes = counter("task_crashes", "Background tasks that crashed.", ("task",))
        gauge("build_info", "1, with the version as a label.", ("version",)).labels(
            version("shield-evaluator")
        ).set(1)
        self._bits: dict[str, bool] = {}
        self._preset(plan)

    def _preset(self, plan: Plan) -> None:
        for kind in KINDS:
            self.prometheus_errors.labels(kind)
        for outcome in Outcome:
            self.evaluations.labels(outcome)
        for result in (*(r.value for r in PublishResult), "error"):
            self.publish.labels(result)
        for result in ("success", "failure"):
            self.config_reloads.labels(result)
        self.allow.set(UNDECIDED)
        self.alert_triggered.set(UNDECIDED)
        self.time_to_full.set(float("inf"))
        self.plan_changed(plan)

    def plan_changed(self, plan: Plan) -> None:
        """Show what a new configuration names, and nothing that only the old one did."""
        for metric in (
            self.threshold,
            self.latch_set,
            self.signal_state,
            self.signal_value,
            self.tier_allow,
            self.override_active,
        ):
            metric.clear()
        for tier, thresholds in plan.tiers.items():
            for to in ("allow", "deny"):
                self.transitions.labels(tier, to)
            for signal, threshold in thresholds.items():
                bounds = {"set": threshold.set, "reset": threshold.reset, "warn": threshold.warn}
                for bound, value in bounds.items():
                    if value is not None:
                        self.threshold.labels(signal, tier, bound).set(value)
        self._preset_plan(plan)

    def _preset_plan(self, plan: Plan) -> None:
        for tier, thresholds in plan.tiers.items():
            self.tier_allow.labels(tier).set(self._bits.get(tier, UNDECIDED))
            self.override_active.labels(tier).set(0)
            for signal in thresholds:
                self.latch_set.labels(signal, tier).set(0)
        for signal in plan.signals:
            for state in SIGNAL_STATES:
                self.signal_state.labels(signal, state).set(0)

    def _stand_by(self, plan: Plan) -> None:
        """Show nothing of an earlier decision of ours: another evaluator decides now."""
        self._bits.clear()
        self.allow.set(UNDECIDED)
        self.alert_triggered.set(UNDECIDED)
        self.time_to_full.set(float("inf"))
        self.signal_value.clear()
        self._preset_plan(plan)

    def record(self, report: Report) -> None:
        """Show what a cycle saw and did."""
        self.evaluations.labels(report.outcome).inc()
        self.duration.observe(report.seconds)
        self.lease_held.set(report.outcome is Outcome.PUBLISHED)
        if report.decision is None:
            self._stand_by(report.plan)
            return
        if report.publish is not None:
            self.publish.labels(report.publish.value).inc()
        elif report.outcome is Outcome.UNPUBLISHED:
            self.publish.labels("error").inc()
        self.last_evaluation.set(report.decision.evaluated_at.timestamp())
        self._record_decision(report)
        for name in report.plan.signals:
            self._record_signal(name, report.observations.get(name), report)
        for (tier, signal), latch in report.state.latches.items():
            self.latch_set.labels(signal, tier).set(latch.state is LatchState.SET)

    def _record_decision(self, report: Report) -> None:
        decision = report.decision
        if decision is None:
            return
        self.allow.set(decision.allow)
        self.alert_triggered.set(not decision.allow)
        for tier, entry in decision.tiers.items():
            self.tier_allow.labels(tier).set(entry.allow)
            before = self._bits.get(tier)
            if before is not None and before is not entry.allow:
                self.transitions.labels(tier, "allow" if entry.allow else "deny").inc()
            self._bits[tier] = entry.allow
            covered = decision.override is not None and decision.override.covers(tier)
            self.override_active.labels(tier).set(covered)
        forecast = decision.time_to_full_seconds
        self.time_to_full.set(float("inf") if forecast is None else forecast)

    def _record_signal(self, name: str, observation: Observation | None, report: Report) -> None:
        current = "unusable"
        if observation is not None and observation.usable:
            current = "partial" if observation.partial else "ok"
        elif is_blind(
            report.plan.signals[name], report.state.last_usable_ms[name], now_ms=report.at.ms
        ):
            current = "blind"
        for state in SIGNAL_STATES:
            self.signal_state.labels(name, state).set(state == current)
        samples = () if observation is None else observation.samples
        shown = dict(sorted((s.member, s.value) for s in samples)[:MAX_MEMBERS])
        for labels in list(self.signal_value._metrics):  # noqa: SLF001 - no public way to list label sets
            if labels[0] == name and labels[1] not in shown:
                self.signal_value.remove(*labels)
        for member, value in shown.items():
            self.signal_value.labels(name, member[:128]).set(value)
