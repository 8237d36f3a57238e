"""Moments of an evaluator for the status page's tests: what it shows is built, not clicked."""

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace as replace_struct

from shield_common.decision import Override, TierHold
from shield_common.held import HeldReport, NamespaceReport, TierReport
from shield_evaluator.core import room
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.forecast import History
from shield_evaluator.core.latch import advance
from shield_evaluator.core.observation import Observation, Sample, unusable
from shield_evaluator.core.plan import OnBlind, Plan, RoomPlan, SignalPlan, Threshold, Unit
from shield_evaluator.core.state import Instant, ShieldState
from shield_evaluator.cycle_result import CycleOutcome, CycleResult
from shield_evaluator.status.snapshot import Snapshot, TierChange

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
NOW_MS = 10_000_000
RUNBOOK = "https://docs.example.com/runbook.md"
HOSTILE = '"><script>document.title="owned"</script><img src=x onerror=alert(1)>\x1b[31m\u202eevil'

_SIGNAL = SignalPlan(members=3, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO)
PLAN = Plan(
    signals={"db-file": _SIGNAL, "db-in-use": _SIGNAL},
    tiers={
        "critical": {
            "db-file": Threshold(set=0.97, reset=0.93),
            "db-in-use": Threshold(set=0.92, reset=0.87),
        },
        "standard": {
            "db-file": Threshold(warn=0.80, set=0.90, reset=0.80),
            "db-in-use": Threshold(warn=0.75, set=0.85, reset=0.75),
        },
        "background": {
            "db-file": Threshold(set=0.85, reset=0.75),
            "db-in-use": Threshold(set=0.75, reset=0.65),
        },
    },
    default_tier="standard",
)


def _with_room(threshold: Threshold) -> Threshold:
    run = RoomPlan(
        target=threshold.set - 0.02,
        run_cost=4 * 1024**2,
        lag_ms=30_000,
        grows_over_ms=900_000,
        spend_ms=60_000,
    )
    return replace(threshold, room=run)


# The same with a run cost of 4 MiB, and an etcd of 8 GiB.
ROOM_PLAN = replace(
    PLAN,
    tiers={
        tier: {signal: _with_room(threshold) for signal, threshold in thresholds.items()}
        for tier, thresholds in PLAN.tiers.items()
    },
)
QUOTAS = {"db-file": 8.0 * 1024**3, "db-in-use": 8.0 * 1024**3}


def seen(value: float, *, member: str = "10.0.0.3:2379") -> Observation:
    """Return a complete observation of three members."""
    members = (member, "10.0.0.1:2379", "10.0.0.2:2379")
    samples = tuple(Sample(name, value - 0.01 * place) for place, name in enumerate(members))
    return Observation(value=value, member=member, member_count=3, samples=samples)


def scene(
    observations: Mapping[str, Observation],
    *,
    before: Mapping[str, Observation] | None = None,
    minutes: float = 12,
    override: Override | None = None,
    time_to_full: float | None = None,
    plan: Plan = PLAN,
    admitted: int = 0,
) -> Snapshot:
    """Return the page's facts at noon.

    Args:
        observations: of the last cycle.
        before: of a cycle `minutes` earlier; the same ones unless given.
        minutes: since when things are as they are.
        override: an operator's word.
        time_to_full: seconds.
        plan: what is watched.
        admitted: runs that the default tier admitted in the time between.
    """
    now = Instant(ms=NOW_MS, utc=NOON)
    then = Instant(ms=NOW_MS - round(minutes * 60_000), utc=NOON - timedelta(minutes=minutes))
    state = ShieldState()
    for seen_then, moment, total in (
        (before or observations, then, 0),
        (observations, now, admitted),
    ):
        rooms = room.advance(
            plan,
            state.room,
            seen_then,
            quotas=QUOTAS,
            totals={plan.default_tier: total},
            now_ms=moment.ms,
        )
        state = advance(plan, state, seen_then, moment, room=rooms)
    decision = decide(
        plan,
        state,
        observations,
        now=now,
        envelope=Envelope(
            cluster="rh01",
            epoch=7,
            sequence=4211,
            ttl_ms=300_000,
            interval_ms=5_000,
            admitters=3,
        ),
        override=override,
        time_to_full_seconds=time_to_full,
    )
    result = CycleResult(
        outcome=CycleOutcome.PUBLISHED,
        at=now,
        seconds=0.012,
        plan=plan,
        decision=decision,
        state=state,
        observations=observations,
    )
    return Snapshot(
        cluster="rh01",
        now=Instant(ms=NOW_MS, utc=NOON + timedelta(seconds=2)),
        result=result,
        interval=5.0,
        holder="evaluator-7c9f-1-0a1b2c3d",
        lease_held=True,
        runbook_url=RUNBOOK,
    )


def past_hour(last: float, *, fall: float = 0.3) -> History:
    """Return an hour of growth with one compaction in it, ending at a value."""
    points: deque[tuple[int, float]] = deque()
    for step in range(720):
        share = step / 719
        ripple = 0.004 * math.sin(step / 9)
        value = last - 0.18 * (1 - share) + (fall * 0.3 if share < 0.35 else 0) + ripple
        points.append((NOW_MS - (719 - step) * 5_000, value))
    return History(points)


def admitting() -> Snapshot:
    facts = scene({"db-file": seen(0.612), "db-in-use": seen(0.431)})
    return replace(facts, histories={"db-file": past_hour(0.612), "db-in-use": past_hour(0.431)})


def denying() -> Snapshot:
    facts = scene(
        {"db-file": seen(0.934), "db-in-use": seen(0.702)},
        time_to_full=840,
        plan=ROOM_PLAN,
        admitted=260,
    )
    changes = [
        TierChange(
            NOON - timedelta(minutes=12),
            "standard",
            allow=False,
            reason="etcd is at 90.2% of its quota",
        ),
        TierChange(
            NOON - timedelta(minutes=31),
            "background",
            allow=False,
            reason="etcd is at 85.1% of its quota",
        ),
        TierChange(NOON - timedelta(days=2), "standard", allow=True, reason="no signal denies it"),
    ]
    return replace(
        facts,
        histories={"db-file": past_hour(0.934), "db-in-use": past_hour(0.702)},
        changes=changes,
    )


def blind() -> Snapshot:
    facts = scene(
        {"db-file": unusable("no samples"), "db-in-use": unusable("no samples")},
        before={"db-file": seen(0.87), "db-in-use": seen(0.6)},
    )
    return replace(facts, histories={"db-file": past_hour(0.87)})


def overridden() -> Snapshot:
    override = Override(
        allow=True,
        tiers=("standard",),
        reason="release of 4.19 must finish, etcd is being defragmented",
        by="carol",
        since=NOON - timedelta(minutes=7),
        until=NOON + timedelta(minutes=23),
    )
    facts = scene({"db-file": seen(0.934), "db-in-use": seen(0.5)}, override=override)
    return replace(
        facts, histories={"db-file": past_hour(0.934), "db-in-use": past_hour(0.5, fall=0)}
    )


def starting() -> Snapshot:
    return replace(admitting(), result=None, histories={}, lease_held=False)


def hostile() -> Snapshot:
    return scene(
        {"db-file": seen(0.934, member=HOSTILE), "db-in-use": unusable(HOSTILE)},
        override=Override(
            allow=False, reason=HOSTILE, by=HOSTILE, since=NOON, until=NOON + timedelta(hours=1)
        ),
    )


def standby() -> Snapshot:
    facts = denying()
    assert facts.result is not None
    result = replace(facts.result, outcome=CycleOutcome.STANDBY, observations={})
    return replace(facts, result=result, histories={}, lease_held=False, changes=())


def kinds() -> Snapshot:
    """Return a moment with an alert, a number and a signal that lacks a member."""
    alert = replace(_SIGNAL, unit=Unit.ALERT, members=None)
    plan = Plan(
        signals={
            "EtcdFull": alert,
            "pending": replace(_SIGNAL, unit=Unit.NUMBER),
            "db-file": _SIGNAL,
        },
        tiers={
            "standard": {
                "EtcdFull": Threshold(set=1, reset=0.5),
                "pending": Threshold(warn=30, set=50, reset=10),
            },
            "background": {"db-file": Threshold(set=0.9, reset=0.8)},
        },
        default_tier="standard",
    )
    lacking = "2 of 3 members answered"
    observations = {
        "EtcdFull": Observation(value=1.0, member="", member_count=1),
        "pending": seen(37.0),
        "db-file": Observation(
            value=0.82, member="etcd-0", member_count=2, partial=True, problem=lacking
        ),
    }
    return scene(observations, plan=plan)


def room_left() -> Snapshot:
    observations = {"db-file": seen(0.671), "db-in-use": seen(0.502)}
    facts = scene(observations, plan=ROOM_PLAN, admitted=312)
    return replace(facts, histories={"db-file": past_hour(0.671), "db-in-use": past_hour(0.502)})


def no_room() -> Snapshot:
    observations = {"db-file": seen(0.701), "db-in-use": seen(0.702)}
    facts = scene(observations, plan=ROOM_PLAN, admitted=300, minutes=2)
    assert facts.result is not None
    # A minute later nothing has changed, so that the tier is closed.
    later = Instant(ms=NOW_MS + 60_000, utc=NOON + timedelta(minutes=1))
    plan, state = facts.result.plan, facts.result.state
    rooms = room.advance(
        plan,
        state.room,
        observations,
        quotas=QUOTAS,
        totals={plan.default_tier: 300},
        now_ms=later.ms,
    )
    state = advance(plan, state, observations, later, room=rooms)
    envelope = Envelope(
        cluster="rh01", epoch=7, sequence=4223, ttl_ms=300_000, interval_ms=5_000, admitters=3
    )
    decision = decide(plan, state, observations, now=later, envelope=envelope)
    result = replace(facts.result, at=later, state=state, decision=decision)
    return replace(facts, now=later, result=result)


HELD = HeldReport(
    reported_at=NOON,
    tiers={
        "standard": TierReport(held=43, oldest_seconds=312, released_per_minute=12, stuck=1),
        "critical": TierReport(held=0, released_per_minute=3),
    },
    namespaces=(
        NamespaceReport(tier="standard", namespace="team-orders", held=30, oldest_seconds=312),
        NamespaceReport(tier="standard", namespace=HOSTILE, held=1, oldest_seconds=61),
    ),
)


def holding() -> Snapshot:
    """Return a moment in which runs are held."""
    facts = denying()
    assert facts.result is not None
    assert facts.result.decision is not None
    hold = TierHold(slots=957, share=319, held=0)
    entries = facts.result.decision.tiers
    tiers = {name: replace_struct(tier, hold=hold) for name, tier in entries.items()}
    waiting = replace_struct(hold, held=43, wait_seconds=220)
    tiers["standard"] = replace_struct(tiers["standard"], hold=waiting)
    decision = replace_struct(facts.result.decision, tiers=tiers)
    return replace(facts, result=replace(facts.result, decision=decision, held_report=HELD))


def withheld() -> Snapshot:
    observations = {name: unusable("connection: refused") for name in PLAN.signals}
    facts = scene(observations, before={name: seen(0.5) for name in PLAN.signals})
    assert facts.result is not None
    result = replace(
        facts.result, outcome=CycleOutcome.WITHHELD, decision=None, state=ShieldState()
    )
    return replace(facts, result=result)


SCENES = {
    "admitting": admitting,
    "denying": denying,
    "blind": blind,
    "overridden": overridden,
    "starting": starting,
    "hostile": hostile,
    "standby": standby,
    "kinds": kinds,
    "room": room_left,
    "no room": no_room,
    "withheld": withheld,
    "holding": holding,
}
