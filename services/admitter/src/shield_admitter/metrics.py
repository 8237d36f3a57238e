"""The admitter's metrics: facts in, Prometheus series out.

Every series exists from the start, and no label has values that a requester chooses: tiers come
from the configuration.
"""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.process_collector import ProcessCollector

from shield_admitter.core.decision_age import CURRENT, Acceptance, Freshness, freshness
from shield_admitter.core.verdict import NO_TIER, Outcome, Reason, allows
from shield_admitter.tally import CounterTally, HistogramTally
from shield_common.config.reload import RELOAD_RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_admitter.core.decision_age import Held
    from shield_admitter.core.verdict import Policy, Verdict
    from shield_admitter.http.server import Server

BUCKETS: Final = (
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
)
REJECTIONS: Final = (
    "malformed",
    "method",
    "path",
    "media_type",
    "too_large",
    "not_ready",
    "http",  # not HTTP, or not in a way that all servers read alike
    "timeout",  # did not arrive in time
    "busy",  # large bodies beyond the memory for them
    "client_name",  # a client certificate without an allowed name
    "client",  # gone before its request was complete
)
SOURCES: Final = ("subscription", "get")
DOCUMENT_RESULTS: Final = (
    *(acceptance.value for acceptance in Acceptance),
    "absent",
    "no_expiry",
    "malformed",
    "schema",
    "size",
    "cluster",
)


class Metrics:
    """Every series of the admitter, on a registry of its own.

    Gauges of the held decision are computed when they are scraped.
    """

    def __init__(
        self, policy: Policy, *, held: Callable[[], Held | None], now_ms: Callable[[], int]
    ) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def gauge(name: str, text: str, labels: tuple[str, ...] = ()) -> Gauge:
            return Gauge(f"etcd_shield_{name}", text, labels, registry=registry)

        def counter(name: str, text: str, labels: tuple[str, ...] = ()) -> Counter:
            return Counter(f"etcd_shield_{name}", text, labels, registry=registry)

        self._held = held
        self._now_ms = now_ms
        self._policy = policy
        self._requests = CounterTally(
            "etcd_shield_admission_requests",
            "Requests, by verdict, tier and reason; rejected ones never came to a verdict.",
            ("verdict", "tier", "reason"),
        )
        self._duration = HistogramTally(
            "etcd_shield_admission_duration_seconds",
            "From a review's last byte to its answer.",
            BUCKETS,
        )
        registry.register(self._requests)
        registry.register(self._duration)
        self.in_flight = gauge("admission_in_flight", "Requests of which a part has arrived.")
        self.updates = counter(
            "decision_updates", "Decision documents, by source and result.", ("source", "result")
        )
        self.redis_up = gauge("redis_up", "1 while Redis answers this admitter.")
        self.certificate_ends = gauge(
            "tls_certificate_not_after_timestamp_seconds",
            "When the webhook's certificate ends, Unix time.",
        )
        self.certificate_reloads = counter(
            "tls_certificate_reloads", "Certificate reloads, by result.", ("result",)
        )
        self.connections = gauge("connections", "Webhook connections, handshakes included.")
        self.handshake_failures = counter(
            "tls_handshake_failures", "Clients that did not get through the TLS handshake."
        )
        self.config_reloads = counter("config_reloads", "Configuration reloads.", ("result",))
        self.task_crashes = counter("task_crashes", "Background tasks that crashed.", ("task",))
        self._tier_allow = gauge(
            "tier_allow", "1 while this admitter admits the tier, 0 while it denies.", ("tier",)
        )
        gauge(
            "allow", "1 while this admitter admits the default tier, 0 while it denies."
        ).set_function(lambda: self._allow(self._policy.default_tier))
        gauge(
            "decision_age_seconds", "Age of the decision that is held; +Inf without one."
        ).set_function(self._age)
        states = gauge(
            "decision_freshness", "1 for what the held decision's age is called.", ("state",)
        )
        for state in Freshness:
            states.labels(state.value).set_function(partial(self._is, state))
        gauge("build_info", "1, with the version as a label.", ("version",)).labels(
            version("shield-admitter")
        ).set(1)
        self._preset()

    def _preset(self) -> None:
        self._preset_tiers()
        self._requests.preset(Outcome.ADMITTED.value, NO_TIER, Reason.NOT_JUDGED.value)
        for rejection in REJECTIONS:
            self._requests.preset("rejected", NO_TIER, rejection)
        for source in SOURCES:
            for result in DOCUMENT_RESULTS:
                self.updates.labels(source, result)
        for result in RELOAD_RESULTS:
            self.config_reloads.labels(result)
        for result in ("success", "failure"):
            self.certificate_reloads.labels(result)

    def _preset_tiers(self) -> None:
        for tier in self._tiers():
            for reason in (Reason.SHIELD, Reason.OVERRIDE, Reason.UNKNOWN):
                for outcome in Outcome:
                    self._requests.preset(outcome.value, tier, reason.value)
            for reason in (Reason.EXEMPT, Reason.MODE_OFF):
                self._requests.preset(Outcome.ADMITTED.value, tier, reason.value)
            self._tier_allow.labels(tier).set_function(partial(self._allow, tier))

    def show(self, server: Server) -> None:
        """Show how many clients a server has."""
        self.connections.set_function(lambda: float(server.connections))
        self.in_flight.set_function(lambda: float(server.in_flight))

    def apply_settings(self, policy: Policy) -> None:
        """Show another configuration's tiers too; series that exist stay."""
        self._policy = policy
        self._preset_tiers()

    def count(self, verdict: Verdict, seconds: float) -> None:
        """Count an answered review.

        Args:
            verdict: what it was told.
            seconds: what that took.
        """
        self._requests.count(verdict.outcome, verdict.tier, verdict.reason)
        self._duration.observe(seconds)

    def reject(self, reason: str) -> None:
        """Count a request that was no review to be judged."""
        self._requests.count("rejected", NO_TIER, reason)

    def _tiers(self) -> list[str]:
        return sorted({rule.tier for rule in self._policy.tiers} | {self._policy.default_tier})

    def _allow(self, tier: str) -> float:
        held = self._held()
        if (
            held is None
            or freshness(held, self._policy.limits, now_ms=self._now_ms()) not in CURRENT
        ):
            return float(self._policy.allow_unknown)
        return float(allows(held.decision, tier))

    def _age(self) -> float:
        held = self._held()
        return float("inf") if held is None else held.age_ms(self._now_ms()) / 1000

    def _is(self, state: Freshness) -> float:
        return float(freshness(self._held(), self._policy.limits, now_ms=self._now_ms()) is state)
