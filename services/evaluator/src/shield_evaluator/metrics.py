"""The evaluator's metrics: cycle results in, Prometheus series out.

Every series exists from the start. No label has values that a requester chooses; member names come
from Prometheus and are capped. A value that this process does not know (before its first decision,
and while another evaluator decides) is NaN, because 0 would mean that requests are denied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common.metrics import ServiceMetrics
from shield_common.store.protocol import PublishResult
from shield_evaluator.core.decide import signal_entries
from shield_evaluator.core.state import LatchState
from shield_evaluator.cycle_result import CycleOutcome
from shield_evaluator.prometheus.response import KINDS
from shield_evaluator.room_metrics import RoomMetrics

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from prometheus_client import Gauge

    from shield_common.decision import Decision, Override
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.cycle_result import CycleResult

# An etcd cluster has at most seven members; a query without an aggregation must not fill
# Prometheus.
MAX_MEMBERS: Final = 20
MAX_MEMBER_NAME: Final = 128  # characters; an address or a pod's name is shorter
PUBLISH_RESULTS: Final = (*(result.value for result in PublishResult), "error")
OVERRIDES: Final = ("allow", "deny", "none")
SIGNAL_STATES: Final = ("ok", "partial", "unusable", "blind")
UNDECIDED: Final = float("nan")
# Seconds; a cycle takes some milliseconds more than Prometheus does, and has 4 s for it by default.
DURATION_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics(ServiceMetrics):
    """All series of the evaluator, in a registry of their own."""

    def __init__(self, plan: Plan) -> None:
        super().__init__("shield-evaluator")
        self.allow = self.gauge("allow", "1 while the default tier admits, 0 while it denies.")
        self.alert_triggered = self.gauge(
            "alert_triggered",
            "1 while the default tier denies: the name that the Go etcd-shield's users federate.",
        )
        self.tier_allow = self.gauge(
            "tier_allow", "1 while the tier admits, 0 while it denies.", {"tier": ()}
        )
        self.signal_value = self.gauge(
            "signal_value",
            "A member's value of a signal, in the signal's unit.",
            {"signal": (), "member": ()},
        )
        self.signal_state = self.gauge(
            "signal_state", "1 for the state that the signal is in.", {"signal": (), "state": ()}
        )
        self.threshold = self.gauge(
            "threshold",
            "A configured threshold, in the signal's unit.",
            {"signal": (), "tier": (), "bound": ()},
        )
        self.latch_set = self.gauge(
            "latch_set", "1 while the latch is SET.", {"signal": (), "tier": ()}
        )
        self.transitions = self.counter(
            "transitions",
            "How often a tier changed, by what it changed to.",
            {"tier": (), "to": ()},
        )
        self.evaluations = self.counter(
            "evaluations", "Cycles, by how they ended.", {"result": CycleOutcome}
        )
        self.overruns = self.counter(
            "evaluation_overruns", "Ticks skipped because a cycle took too long."
        )
        self.duration = self.histogram(
            "evaluation_duration_seconds",
            "How long a cycle took, waiting for Prometheus and Redis included.",
            buckets=DURATION_BOUNDS,
        )
        self.last_evaluation = self.gauge(
            "last_evaluation_timestamp_seconds", "When the last cycle evaluated, Unix time."
        )
        self.prometheus_errors = self.counter(
            "prometheus_errors", "Queries without a usable answer, by class.", {"class": KINDS}
        )
        self.publish = self.counter(
            "publish", "Publications, by the store's answer.", {"result": PUBLISH_RESULTS}
        )
        self.lease_held = self.gauge("lease_held", "1 while this evaluator is the writer.")
        self.override_active = self.gauge(
            "override_active", "1 while an operator's override speaks for the tier.", {"tier": ()}
        )
        self.override_changes = self.counter(
            "override_changes",
            "How often the override changed, by what it changed to; none when it ended.",
            {"to": OVERRIDES},
        )
        self.time_to_full = self.gauge(
            "time_to_full_seconds",
            "Until the quota is reached at the present slope; +Inf when usage is flat or falls.",
        )
        self.room = RoomMetrics(self)
        self._last: Decision | None = None  # of this evaluator or of another
        self._plan = plan
        self._stand_by(plan)

    def prometheus_failed(self, kind: str) -> None:
        """Count a query without a usable answer."""
        self.prometheus_errors.labels(kind).inc()

    def record(self, result: CycleResult) -> None:
        """Export what a cycle observed and did."""
        if result.plan is not self._plan:
            self.plan_changed(result.plan)
        self.lease_held.set(result.outcome in {CycleOutcome.PUBLISHED, CycleOutcome.WITHHELD})
        if not result.republished:
            self.evaluations.labels(result.outcome).inc()
            self.duration.observe(result.seconds)
        before, self._last = self._last, result.decision or self._last
        if result.decision is None or result.outcome is CycleOutcome.STANDBY:
            self._stand_by(result.plan)
            if result.outcome is not CycleOutcome.STANDBY:
                self._record_observations(result)
            return
        if before is not None:
            self._count_changes(before, result.decision)
        if result.publish is not None or result.outcome is CycleOutcome.UNPUBLISHED:
            self.publish.labels("error" if result.publish is None else result.publish.value).inc()
        self._record_decision(result.decision)
        self._record_observations(result)
        self.room.record(
            result.plan,
            result.state.room,
            slots=_slots(result.decision),
            admitters=result.decision.admitters,
            now_ms=result.at.ms,
        )

    def _record_observations(self, result: CycleResult) -> None:
        entries = signal_entries(
            result.plan, result.state, result.observations, now_ms=result.at.ms
        )
        for name, entry in entries.items():
            for state in SIGNAL_STATES:
                self.signal_state.labels(name, state).set(state == entry.state)
            self._record_samples(name, result.observations.get(name))
        for (tier, signal), latch in result.state.latches.items():
            self.latch_set.labels(signal, tier).set(latch.state is LatchState.SET)

    def plan_changed(self, plan: Plan) -> None:
        """Export the series of a configuration, and remove those of the one before."""
        self._plan = plan
        self.room.withdraw(plan)
        latches = {(signal, tier) for tier, named in plan.tiers.items() for signal in named}
        states = {(signal, state) for signal in plan.signals for state in SIGNAL_STATES}
        tiers = {(tier,) for tier in plan.tiers}
        _keep(self.latch_set, latches, start=0)
        _keep(self.signal_state, states, start=0)
        _keep(self.tier_allow, tiers, start=UNDECIDED)
        _keep(self.override_active, tiers, start=0)
        _keep(self.threshold, set(), start=0)
        for labels in _label_sets(self.signal_value):
            if labels[0] not in plan.signals:
                self.signal_value.remove(*labels)
        for tier, thresholds in plan.tiers.items():
            for to in ("allow", "deny"):
                self.transitions.labels(tier, to)
            for signal, threshold in thresholds.items():
                bounds = {"set": threshold.set, "reset": threshold.reset, "warn": threshold.warn}
                if threshold.room is not None:
                    bounds["target"] = threshold.room.target
                for bound, value in bounds.items():
                    if value is not None:
                        self.threshold.labels(signal, tier, bound).set(value)

    def _stand_by(self, plan: Plan) -> None:
        """Withdraw our last decision: another evaluator decides now."""
        self.allow.set(UNDECIDED)
        self.alert_triggered.set(UNDECIDED)
        self.time_to_full.set(float("inf"))
        self.signal_value.clear()
        for metric in (self.latch_set, self.signal_state, self.tier_allow, self.override_active):
            metric.clear()
        self.plan_changed(plan)

    def _count_changes(self, before: Decision, decision: Decision) -> None:
        """Count the differences to the decision before, even if another evaluator made that one."""
        for tier, entry in decision.tiers.items():
            last = before.tiers.get(tier, entry)
            if last.allow is not entry.allow:
                self.transitions.labels(tier, "allow" if entry.allow else "deny").inc()
        if before.override != decision.override:
            self.override_changes.labels(_override_label(decision.override)).inc()

    def _record_decision(self, decision: Decision) -> None:
        self.last_evaluation.set(decision.evaluated_at.timestamp())
        self.allow.set(decision.allow)
        self.alert_triggered.set(not decision.allow)
        for tier, entry in decision.tiers.items():
            self.tier_allow.labels(tier).set(entry.allow)
            covered = decision.override is not None and decision.override.covers(tier)
            self.override_active.labels(tier).set(covered)
        forecast = decision.time_to_full_seconds
        self.time_to_full.set(float("inf") if forecast is None else forecast)

    def _record_samples(self, name: str, observation: Observation | None) -> None:
        """Export the members' values, the highest ones if there are too many."""
        samples = () if observation is None else observation.samples
        worst = sorted(samples, key=lambda sample: sample.value, reverse=True)[:MAX_MEMBERS]
        # Of two samples with one name the higher one is exported.
        shown = {s.member[:MAX_MEMBER_NAME]: s.value for s in reversed(worst)}
        for labels in _label_sets(self.signal_value):
            if labels[0] == name and labels[1] not in shown:
                self.signal_value.remove(*labels)
        for member, value in shown.items():
            self.signal_value.labels(name, member).set(value)


def _override_label(override: Override | None) -> str:
    if override is None:
        return "none"
    return "allow" if override.allow else "deny"


def _keep(metric: Gauge, wanted: AbstractSet[tuple[str, ...]], *, start: float) -> None:
    """Remove the label sets that are not wanted and add the new ones."""
    present = _label_sets(metric)
    for labels in present - wanted:
        metric.remove(*labels)
    for labels in wanted - present:
        metric.labels(*labels).set(start)


def _label_sets(metric: Gauge) -> set[tuple[str, ...]]:
    return {tuple(labels) for labels in metric._metrics}  # noqa: SLF001 - no public way to list them


def _slots(decision: Decision) -> float | None:
    """Return how many more runs may be held, which is the same for all tiers; None for none."""
    holds = [tier.hold for tier in decision.tiers.values() if tier.hold is not None]
    return holds[0].slots if holds else None
