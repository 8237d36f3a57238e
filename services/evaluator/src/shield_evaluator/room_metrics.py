"""The metrics of room and slots: what fits, what may be held, and whether that adds up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_evaluator.core.learned_cost import cost_factor
from shield_evaluator.core.room import closed_tiers, overdraft_of, reservation_of, room_of

if TYPE_CHECKING:
    from prometheus_client import Gauge

    from shield_common.metrics import ServiceMetrics
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.room import RoomState

UNKNOWN: Final = float("nan")


class RoomMetrics:
    """Gauges by tier; NaN while a tier's room is not known, and on standby."""

    def __init__(self, metrics: ServiceMetrics) -> None:
        def by_tier(name: str, text: str) -> Gauge:
            return metrics.gauge(name, text, {"tier": ()})

        self.runs = by_tier("room_runs", "How many more runs fit below the tier's target.")
        self.closed = by_tier("room_closed", "1 while the tier denies because no run fits.")
        self.run_cost = by_tier(
            "run_cost_bytes",
            "Bytes that one run is taken to add to etcd, on the signal with the least room.",
        )
        self.reserved = by_tier(
            "reserved_bytes", "Bytes that admitted runs of the tier are still going to write."
        )
        self.reserved_runs = by_tier(
            "reserved_runs", "Admitted runs of the tier that are still going to write."
        )
        self.cost_factor = metrics.gauge(
            "run_cost_factor",
            "By which factor runs cost more than run_cost says; 1 if it is right or too high.",
            {"signal": ()},
        )
        self.slots = metrics.gauge(
            "hold_slots", "How many more runs may be held; NaN while nothing is held at all."
        )
        self.overdraft = metrics.gauge(
            "overdraft_bytes",
            "Bytes by which etcd is above the highest target; above 0 if run_cost is too low.",
        )
        self.admitters = metrics.gauge(
            "room_admitters", "Among how many admitters room is shared out."
        )

    def record(
        self,
        plan: Plan,
        state: RoomState,
        *,
        slots: float | None,
        admitters: int | None,
        now_ms: int,
    ) -> None:
        """Export a cycle's room and slots."""
        closed = closed_tiers(state)
        for tier in plan.tiers:
            room = room_of(plan, state, tier)
            reservation = reservation_of(plan, state, tier, now_ms=now_ms)
            self.runs.labels(tier).set(UNKNOWN if room is None else room.runs)
            self.run_cost.labels(tier).set(UNKNOWN if room is None else room.learned_run_cost)
            self.closed.labels(tier).set(tier in closed)
            self.reserved.labels(tier).set(reservation.reserved)
            self.reserved_runs.labels(tier).set(reservation.runs)
        for signal in plan.signals:
            self.cost_factor.labels(signal).set(cost_factor(plan, state, signal))
        self.slots.set(UNKNOWN if slots is None else slots)
        self.overdraft.set(overdraft_of(plan, state, now_ms=now_ms))
        self.admitters.set(UNKNOWN if admitters is None else admitters)

    def withdraw(self, plan: Plan) -> None:
        """Export nothing known for the tiers of a plan: another evaluator decides."""
        self.overdraft.set(0)
        self.slots.set(UNKNOWN)
        self.cost_factor.clear()
        for signal in plan.signals:
            self.cost_factor.labels(signal).set(UNKNOWN)
        self.admitters.set(UNKNOWN)
        for metric in (self.runs, self.closed, self.run_cost, self.reserved, self.reserved_runs):
            metric.clear()
            for tier in plan.tiers:
                metric.labels(tier).set(UNKNOWN)
