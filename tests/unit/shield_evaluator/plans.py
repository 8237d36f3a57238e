"""Plans, observations and instants, as small as a test can say them."""

from datetime import UTC, datetime, timedelta

from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import (
    ColdStart,
    OnBlind,
    Plan,
    SignalPlan,
    Threshold,
    Unit,
)
from shield_evaluator.core.state import Instant

TIER = "standard"
SIGNAL = "db-file"
BLIND_AFTER_MS = 120_000
EPOCH = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)

#: The standard tier's db-file threshold of the documentation.
USUAL = Threshold(set=0.90, reset=0.80, warn=0.85)


def signal_plan(
    *,
    members: int | None = 3,
    on_blind: OnBlind = OnBlind.HOLD,
    unit: Unit = Unit.RATIO,
    blind_after_ms: int = BLIND_AFTER_MS,
) -> SignalPlan:
    return SignalPlan(members=members, blind_after_ms=blind_after_ms, on_blind=on_blind, unit=unit)


def one_latch(
    threshold: Threshold = USUAL,
    *,
    on_blind: OnBlind = OnBlind.HOLD,
    cold_start: ColdStart = ColdStart.RESET,
    unit: Unit = Unit.RATIO,
) -> Plan:
    """Return a plan of one signal in one tier."""
    return Plan(
        signals={SIGNAL: signal_plan(on_blind=on_blind, unit=unit)},
        tiers={TIER: {SIGNAL: threshold}},
        default_tier=TIER,
        cold_start=cold_start,
    )


def complete(value: float, *, member: str = "10.0.0.3:2379") -> Observation:
    return Observation(value=value, member=member, member_count=3)


def partial(value: float) -> Observation:
    return Observation(
        value=value,
        member="10.0.0.3:2379",
        member_count=2,
        partial=True,
        problem="2 of 3 members answered",
    )


def silent() -> Observation:
    return Observation(value=None, problem="no samples")


def at(seconds: float) -> Instant:
    """Return an instant so many seconds after the story's begin."""
    return Instant(ms=1_000_000 + round(seconds * 1000), utc=EPOCH + timedelta(seconds=seconds))
