"""What the evaluator shows while it has decided nothing, and what it takes back."""

import math
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from shield_common.decision import Decision, Override, TierDecision, TierHold
from shield_evaluator.core.plan import OnBlind, Plan, SignalPlan, Threshold, Unit
from shield_evaluator.core.state import Instant, ShieldState
from shield_evaluator.cycle_result import CycleOutcome, CycleResult
from shield_evaluator.metrics import Metrics

NOW = Instant(ms=1_000_000, utc=datetime(2026, 11, 21, 10, tzinfo=UTC))
TIER = {"tier": "standard"}


def plan(*tiers: str) -> Plan:
    signal = SignalPlan(members=1, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO)
    threshold = Threshold(set=0.9, reset=0.8)
    return Plan(
        signals={"db-file": signal},
        tiers={tier: {"db-file": threshold} for tier in tiers},
        default_tier="standard",
    )


def decision(*, allow: bool = True, override: Override | None = None) -> Decision:
    return Decision(
        cluster="test",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=NOW.utc,
        allow=allow,
        tiers={"standard": TierDecision(allow=allow, since=NOW.utc)},
        signals={},
        override=override,
    )


def report(*, allow: bool | None) -> CycleResult:
    """Return a published report, or that of a standby if `allow` is None."""
    if allow is None:
        return of(None, CycleOutcome.STANDBY)
    return of(decision(allow=allow), CycleOutcome.PUBLISHED)


def of(decision: Decision | None, outcome: CycleOutcome) -> CycleResult:
    return CycleResult(
        outcome=outcome,
        at=NOW,
        seconds=0.01,
        plan=plan("standard"),
        decision=decision,
        state=ShieldState(last_usable_ms={"db-file": NOW.ms}),
    )


def value(metrics: Metrics, name: str, labels: dict[str, str] | None = None) -> float:
    found = metrics.registry.get_sample_value(f"etcd_shield_{name}", labels or {})
    assert found is not None
    return found


BITS = [
    pytest.param("allow", {}, id="allow"),
    pytest.param("tier_allow", TIER, id="tier_allow"),
    pytest.param("alert_triggered", {}, id="alert_triggered"),
]


@pytest.mark.parametrize(("name", "labels"), BITS)
def test_before_the_first_decision_it_neither_admits_nor_denies(
    name: str, labels: dict[str, str]
) -> None:
    assert math.isnan(value(Metrics(plan("standard")), name, labels))


@pytest.mark.parametrize(("name", "labels"), BITS)
def test_a_standby_takes_back_what_it_decided_as_the_writer(
    name: str, labels: dict[str, str]
) -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(report(allow=False))
    metrics.record(report(allow=None))
    assert math.isnan(value(metrics, name, labels))


def test_a_changed_bit_is_counted_as_a_transition() -> None:
    metrics = Metrics(plan("standard"))
    for allow in (True, False, False):
        metrics.record(report(allow=allow))
    assert 1 == value(metrics, "transitions_total", {**TIER, "to": "deny"})


def said(*, allow: bool, by: str = "ops") -> Override:
    return Override(allow=allow, reason="upgrade", by=by, since=NOW.utc, until=NOW.utc)


ALLOW, DENY, ANOTHER = said(allow=True), said(allow=False), said(allow=False, by="dev")


@pytest.mark.parametrize(
    ("seen", "counted"),
    [
        pytest.param([None, None], {}, id="none at all"),
        pytest.param([None, DENY, DENY], {"deny": 1}, id="set"),
        pytest.param([None, ALLOW, None], {"allow": 1, "none": 1}, id="set and over"),
        pytest.param([None, DENY, ANOTHER], {"deny": 2}, id="replaced by another"),
        pytest.param([DENY, DENY], {}, id="there before this process looked"),
    ],
)
def test_each_change_of_the_override_is_counted(
    seen: list[Override | None], counted: dict[str, int]
) -> None:
    metrics = Metrics(plan("standard"))
    for override in seen:
        metrics.record(of(decision(override=override), CycleOutcome.PUBLISHED))
    expected = {"allow": 0, "deny": 0, "none": 0} | counted
    assert expected == {to: value(metrics, "override_changes_total", {"to": to}) for to in expected}


def test_a_change_that_only_a_standby_saw_is_the_writers_to_count() -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(of(decision(), CycleOutcome.STANDBY))
    metrics.record(of(decision(override=DENY), CycleOutcome.STANDBY))
    metrics.record(of(decision(override=DENY), CycleOutcome.PUBLISHED))
    assert 0 == value(metrics, "override_changes_total", {"to": "deny"})


def test_a_change_at_a_takeover_is_counted() -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(of(decision(), CycleOutcome.STANDBY))
    metrics.record(of(decision(override=DENY), CycleOutcome.PUBLISHED))
    assert 1 == value(metrics, "override_changes_total", {"to": "deny"})


def test_a_bit_that_changes_at_a_takeover_is_counted_as_a_transition() -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(of(decision(allow=True), CycleOutcome.STANDBY))
    metrics.record(of(decision(allow=False), CycleOutcome.PUBLISHED))
    assert 1 == value(metrics, "transitions_total", {**TIER, "to": "deny"})


def test_a_reload_that_keeps_a_tier_keeps_its_bit() -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(report(allow=False))
    metrics.plan_changed(plan("standard", "critical"))
    assert 0 == value(metrics, "tier_allow", TIER)


def test_a_tier_that_a_reload_drops_is_not_shown_any_more() -> None:
    metrics = Metrics(plan("standard", "critical"))
    metrics.plan_changed(plan("standard"))
    assert metrics.registry.get_sample_value("etcd_shield_tier_allow", {"tier": "critical"}) is None


def test_slots_are_exported_while_runs_are_held_and_no_number_otherwise() -> None:
    metrics = Metrics(plan("standard"))
    metrics.record(of(decision(), CycleOutcome.PUBLISHED))
    assert math.isnan(value(metrics, "hold_slots"))
    hold = TierHold(slots=957, share=319, held=43)
    tiers = {"standard": TierDecision(allow=True, since=NOW.utc, hold=hold)}
    metrics.record(of(replace(decision(), tiers=tiers), CycleOutcome.PUBLISHED))
    assert 957 == value(metrics, "hold_slots")
