"""The admitter's metrics.

Every series exists from the start, and no label has values that a client chooses: tiers come from
the configuration.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from shield_admitter.admission_counts import FLUSH_RESULTS
from shield_admitter.core.hold import ACTION_GATED, ACTION_HELD, Action
from shield_admitter.core.verdict import (
    ADMITTED,
    AUDITED,
    HELD,
    NO_TIER,
    PACED,
    ROOM,
    WARNED,
    Outcome,
    Reason,
    allows,
)
from shield_admitter.http.messages import Rejection
from shield_admitter.tally import CounterTally, HistogramTally
from shield_common.decision_age import Freshness
from shield_common.decision_feed import DOCUMENT_RESULTS, SOURCES
from shield_common.metrics import PREFIX, ServiceMetrics

if TYPE_CHECKING:
    from shield_admitter.admission_counts import AdmissionCounts
    from shield_admitter.core.hold import Mutation
    from shield_admitter.core.verdict import Policy, Verdict
    from shield_admitter.http.server import Server
    from shield_common.decision_feed import DecisionFeed
    from shield_common.tls.contexts import ServerCertificate

# Seconds; the API server waits for `webhook.timeoutSeconds`, 3 s in the chart.
DURATION_BOUNDS: Final = (
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
REJECTED: Final = "rejected"  # the verdict label of requests that never came to a verdict
REJECTIONS: Final = (
    "malformed",
    "method",
    "path",
    "media_type",
    "not_ready",
    *(rejection.value for rejection in Rejection),
)


class Metrics(ServiceMetrics):
    """All series of the admitter.

    What other parts know already (the decision, connections, the certificate) is read from them at
    each scrape, from `read_from` on.
    """

    def __init__(self, policy: Policy) -> None:
        """Create all series.

        Args:
            policy: the tiers, and what an absent decision means.
        """
        super().__init__("shield-admitter")
        self._policy = policy
        self._feed: DecisionFeed | None = None
        self._requests = CounterTally(
            f"{PREFIX}admission_requests",
            "Requests, by verdict, tier and reason; rejected ones never came to a verdict.",
            ("verdict", "tier", "reason"),
        )
        self._duration = HistogramTally(
            f"{PREFIX}admission_duration_seconds",
            "From a review's last byte to its answer.",
            DURATION_BOUNDS,
        )
        self.registry.register(self._requests)
        self.registry.register(self._duration)
        self._in_flight = self.gauge(
            "admission_in_flight", "Requests of which a part has arrived and which are unanswered."
        )
        self._connections = self.gauge("connections", "Webhook connections, handshakes included.")
        self._handshake_failures = self.counter("tls_handshake_failures", "Failed TLS handshakes.")
        self._certificate_end = self.gauge(
            "tls_certificate_not_after_timestamp_seconds",
            "End of the webhook certificate's validity, Unix time.",
        )
        self._certificate_reloads = self.counter(
            "tls_certificate_reloads",
            "Certificate reloads, by result.",
            {"result": ("success", "failure")},
        )
        self._create_decision_series()
        self._create_room_series()
        self._create_hold_series()
        self._create_request_series()

    def read_from(
        self,
        *,
        feed: DecisionFeed,
        server: Server,
        certificate: ServerCertificate,
        counts: AdmissionCounts,
    ) -> None:
        """Read the state of these parts at each scrape."""
        self._feed = feed
        self._decision_age.set_function(lambda: feed.age_seconds)
        for state in Freshness:
            self._decision_freshness.labels(state).set_function(
                partial(_has_freshness, feed, state)
            )
        self._redis_up.set_function(lambda: float(feed.problem is None))
        self._unflushed.set_function(lambda: float(counts.unflushed.total()))
        self._connections.set_function(lambda: float(server.connections))
        self._in_flight.set_function(lambda: float(server.in_flight))
        self._certificate_end.set_function(lambda: certificate.not_after.timestamp())  # noqa: PLW0108 - not_after changes

    def apply_settings(self, policy: Policy) -> None:
        """Add the series of new tiers; existing series stay."""
        self._policy = policy
        self._create_tier_series()

    def count_verdict(self, verdict: Verdict, seconds: float) -> None:
        """Count an answered review and the time that it took."""
        self._requests.count(verdict.outcome, verdict.tier, verdict.reason)
        if verdict.outcome is PACED and verdict.reason is ROOM:
            self._paced.count(verdict.tier)
        self._duration.observe(seconds)

    def count_mutation(self, mutation: Mutation) -> None:
        """Count a request to /mutate, while holding is on."""
        self._mutations.count(mutation.action)
        if mutation.action is ACTION_HELD:
            self._held.count(mutation.tier)
        elif mutation.action is ACTION_GATED:
            self._gated.count(mutation.tier)

    def count_flush(self, result: str) -> None:
        """Count a flush of admission counts to the store."""
        self._flushes.labels(result).inc()

    def count_rejection(self, reason: str) -> None:
        """Count a request that never came to a verdict."""
        self._requests.count(REJECTED, NO_TIER, reason)

    def count_document(self, source: str, result: str) -> None:
        """Count a decision document."""
        self._documents.labels(source, result).inc()

    def count_handshake_failure(self) -> None:
        """Count a failed TLS handshake."""
        self._handshake_failures.inc()

    def count_certificate_reload(self, *, succeeded: bool) -> None:
        """Count a reload of the certificate."""
        self._certificate_reloads.labels("success" if succeeded else "failure").inc()

    def _create_decision_series(self) -> None:
        self._documents = self.counter(
            "decision_updates",
            "Decision documents, by source and result.",
            {"source": SOURCES, "result": DOCUMENT_RESULTS},
        )
        self._redis_up = self.gauge("redis_up", "1 while Redis answers this admitter.")
        self._tier_allow = self.gauge(
            "tier_allow",
            "1 while this admitter admits the tier, 0 while it denies.",
            {"tier": ()},
        )
        self.gauge(
            "allow", "1 while this admitter admits the default tier, 0 while it denies."
        ).set_function(lambda: self._allows(self._policy.default_tier))
        self._decision_age = self.gauge(
            "decision_age_seconds", "Age of the cached decision; +Inf without one."
        )
        self._decision_freshness = self.gauge(
            "decision_freshness",
            "1 for the cached decision's present freshness.",
            {"state": tuple(Freshness)},
        )

    def _create_room_series(self) -> None:
        self._paced = CounterTally(
            f"{PREFIX}paced",
            "Runs that were asked to come back, because room is handed out.",
            ("tier",),
        )
        self.registry.register(self._paced)
        self._unflushed = self.gauge(
            "admission_counts_pending", "Admitted runs that the store's counters lack."
        )
        self._flushes = self.counter(
            "admission_count_flushes",
            "Additions to the store's counters of admitted runs, by result.",
            {"result": FLUSH_RESULTS},
        )

    def _create_hold_series(self) -> None:
        self._mutations = CounterTally(
            f"{PREFIX}mutation_requests",
            "Requests to /mutate while holding is on, by what was done.",
            ("action",),
        )
        self._held = CounterTally(
            f"{PREFIX}held", "Runs that were created as pending, by tier.", ("tier",)
        )
        self._gated = CounterTally(
            f"{PREFIX}start_gated",
            "Starts of pending runs that were put off, by tier.",
            ("tier",),
        )
        for tally in (self._mutations, self._held, self._gated):
            self.registry.register(tally)
        for action in Action:
            self._mutations.create(action)

    def _create_request_series(self) -> None:
        self._create_tier_series()
        self._requests.create(Outcome.ADMITTED, NO_TIER, Reason.NOT_JUDGED)
        for rejection in REJECTIONS:
            self._requests.create(REJECTED, NO_TIER, rejection)

    def _create_tier_series(self) -> None:
        tiers = {rule.tier for rule in self._policy.tier_rules} | {self._policy.default_tier}
        for tier in sorted(tiers):
            for reason in (Reason.DECISION, Reason.OVERRIDE, Reason.UNKNOWN):
                for outcome in Outcome:
                    if outcome not in {PACED, HELD}:
                        self._requests.create(outcome, tier, reason)
            for outcome in (PACED, WARNED, AUDITED):
                self._requests.create(outcome, tier, Reason.ROOM)
            self._paced.create(tier)
            self._held.create(tier)
            self._gated.create(tier)
            if self._policy.hold is not None:
                for reason in (Reason.DECISION, Reason.OVERRIDE, Reason.ROOM, Reason.QUEUE):
                    self._requests.create(HELD, tier, reason)
                self._requests.create(PACED, tier, Reason.QUEUE)
                for reason in (Reason.PENDING, Reason.RELEASED):
                    self._requests.create(ADMITTED, tier, reason)
            for reason in (Reason.EXEMPT, Reason.MODE_OFF):
                self._requests.create(Outcome.ADMITTED, tier, reason)
            self._tier_allow.labels(tier).set_function(partial(self._allows, tier))

    def _allows(self, tier: str) -> float:
        cached = None if self._feed is None else self._feed.in_force
        if cached is None:
            return float(self._policy.allow_unknown)
        return float(allows(cached.decision, tier))


def _has_freshness(feed: DecisionFeed, state: Freshness) -> float:
    return float(feed.freshness is state)
