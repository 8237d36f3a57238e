"""The controller's metrics.

Every series exists from the start as far as its labels are known. Tiers come from the decision and
from the labels of held runs; users can set those, so no more than `MAX_TIERS` are shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common.decision_feed import DOCUMENT_RESULTS, SOURCES
from shield_common.metrics import ServiceMetrics
from shield_controller.kubernetes.client import NO_ANSWER
from shield_controller.mirror import MIRROR_RESULTS, TARGETS
from shield_controller.releaser import RELEASE_RESULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.decision import Decision
    from shield_common.decision_feed import DecisionFeed
    from shield_common.held import HeldReport
    from shield_controller.settings import ControllerSettings

MAX_TIERS: Final = 100
OTHER_TIER: Final = "other"  # runs whose label names none of the tiers shown
VERBS: Final = ("GET", "POST", "PATCH")
CODES: Final = ("200", "201", "400", "401", "403", "404", "409", "410", "422", "429", "500", "none")
EVENT_RESULTS: Final = ("written", "dropped", "failed")


class Metrics(ServiceMetrics):
    """All series of the controller."""

    def __init__(self, settings: ControllerSettings) -> None:
        """Create all series.

        Args:
            settings: the queues that it stops.
        """
        super().__init__("shield-controller")
        self._tiers: set[str] = set()
        self._feed: DecisionFeed | None = None
        self._create_queue_series()
        self._create_kubernetes_series(settings)
        self._documents = self.counter(
            "decision_updates",
            "Decision documents, by source and result.",
            {"source": SOURCES, "result": DOCUMENT_RESULTS},
        )
        self.gauge(
            "decision_in_force", "1 while the controller follows a decision, 0 while it has none."
        ).set_function(self._in_force)
        self._redis_up = self.gauge("redis_up", "1 while Redis answers this controller.")

    def read_from(
        self,
        *,
        feed: DecisionFeed,
        is_leader: Callable[[], bool],
        is_watching: Callable[[], bool] | None,
    ) -> None:
        """Read the state of these parts at each scrape.

        Args:
            feed: the decision.
            is_leader: whether this controller may act.
            is_watching: whether the held runs are known and watched; None where holding is off.
        """
        self._feed = feed
        self._redis_up.set_function(lambda: float(feed.problem is None))
        self._leader.set_function(lambda: float(is_leader()))
        if is_watching is not None:
            self._watching.set_function(lambda: float(is_watching()))

    def create_tier_series(self, decision: Decision) -> None:
        """Create the series of a decision's tiers."""
        for tier in decision.tiers:
            self._tier(tier)

    def show(self, report: HeldReport) -> None:
        """Show the held runs of a report."""
        held = dict.fromkeys(self._tiers, 0.0)
        oldest = dict.fromkeys(self._tiers, 0.0)
        for name, tier in report.tiers.items():
            shown = self._tier(name)
            held[shown] = held.get(shown, 0.0) + tier.held
            oldest[shown] = max(oldest.get(shown, 0.0), tier.oldest_seconds)
        for shown, number in held.items():
            self._held.labels(shown).set(number)
            self._oldest.labels(shown).set(oldest[shown])
        self._stuck.set(sum(tier.stuck for tier in report.tiers.values()))

    def count_result(self, tier: str, result: str) -> None:
        """Count an attempt to release or cancel a run."""
        self._released.labels(self._tier(tier), result).inc()

    def count_request(self, verb: str, status: int) -> None:
        """Count an answer of the API server."""
        code = "none" if status == NO_ANSWER else str(status)
        self._requests.labels(verb, code).inc()

    def count_mirror(self, target: str, result: str) -> None:
        """Count a write of a mirror."""
        self._mirrored.labels(target, result).inc()

    def count_event(self, result: str) -> None:
        """Count an event."""
        self._events.labels(result).inc()

    def count_list(self) -> None:
        """Count a complete list of held runs."""
        self._lists.inc()

    def count_malformed(self) -> None:
        """Count an object that is no run."""
        self._malformed.inc()

    def show_queue(self, name: str, stopped: bool) -> None:  # noqa: FBT001 - a callback's argument
        """Show whether the controller holds a ClusterQueue stopped."""
        self._stopped.labels(name).set(float(stopped))

    def count_document(self, source: str, result: str) -> None:
        """Count a decision document."""
        self._documents.labels(source, result).inc()

    def _create_queue_series(self) -> None:
        self._held = self.gauge("held_runs", "Held runs.", {"tier": ()})
        self._oldest = self.gauge(
            "oldest_held_seconds", "Age of the oldest held run; 0 without one.", {"tier": ()}
        )
        self._released = self.counter(
            "released",
            "Attempts to release or cancel a held run, by result.",
            {"tier": (), "result": RELEASE_RESULTS},
        )
        self._stuck = self.gauge(
            "stuck_runs", "Held runs whose release was refused; they are tried again."
        )
        self._leader = self.gauge("leader", "1 while this controller acts, 0 while it stands by.")
        self._watching = self.gauge(
            "held_runs_watched",
            "1 while the held runs are known and watched; NaN where holding is off.",
        )
        self._watching.set(float("nan"))
        self._lists = self.counter("held_run_lists", "Complete lists of held runs.")
        self._malformed = self.counter(
            "malformed_objects", "Listed or watched objects that are no runs."
        )
        self._events = self.counter(
            "events", "Events on runs, by result.", {"result": EVENT_RESULTS}
        )

    def _create_kubernetes_series(self, settings: ControllerSettings) -> None:
        self._mirrored = self.counter(
            "decision_published",
            "Writes of the decision into Kubernetes, by target and result.",
            {"target": TARGETS, "result": MIRROR_RESULTS},
        )
        self._stopped = self.gauge(
            "kueue_stopped",
            "1 while the controller holds the ClusterQueue stopped.",
            {"cluster_queue": settings.kueue.cluster_queues},
        )
        self._requests = self.counter(
            "api_requests",
            "Requests to the API server, by verb and code; `none` is no answer.",
            {"verb": VERBS, "code": CODES},
        )

    def _tier(self, name: str) -> str:
        """Return the label's value for a tier, and create its series at its first use."""
        if name in self._tiers:
            return name
        if len(self._tiers) >= MAX_TIERS:
            name = OTHER_TIER
        self._tiers.add(name)
        for result in RELEASE_RESULTS:
            self._released.labels(name, result)
        self._held.labels(name)
        self._oldest.labels(name)
        return name

    def _in_force(self) -> float:
        return float(self._feed is not None and self._feed.in_force is not None)
