"""The page's cards in words: one per tier, and one per signal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shield_common.text import format_duration, format_size, format_time, format_value, sentence
from shield_evaluator.core.plan import Unit
from shield_evaluator.core.state import LatchState
from shield_evaluator.status import chart

if TYPE_CHECKING:
    from shield_common.decision import Decision, SignalObservation, TierDecision
    from shield_evaluator.core.plan import Plan, Threshold
    from shield_evaluator.core.reservations import Reservation
    from shield_evaluator.status.snapshot import Snapshot

NO_VALUE: Final = "-"


@dataclass(frozen=True, slots=True)
class Until:
    """How long a tier stays as it is: ``Until <condition>.``, with the condition emphasised."""

    lead: str
    condition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LatchRow:
    """One signal in the table of a tier; every text is ready to be shown."""

    signal: str
    value: str
    warn: str
    set: str
    reset: str
    latch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TierCard:
    """What one tier does, since when, why, and until what.

    Attributes:
        name: the tier.
        default: whether requests without a tier of their own are in it.
        overridden: whether an operator's override is in force for it.
        allow: what it does.
        since: when it started, and how long ago.
        why: a sentence.
        room: how many more runs fit, and what admitted ones still write; None where no run cost is
            configured.
        queue: how many runs are held, and how many more may be; None while nothing is held.
        until: what ends it; None if there is nothing to say.
        latches: one row per signal; empty when the configuration no longer has the tier.
    """

    name: str
    default: bool
    overridden: bool
    allow: bool
    since: str
    why: str
    room: str | None
    queue: str | None
    until: Until | None
    latches: list[LatchRow]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCard:
    """What one signal reads, and how far it is from the thresholds of each tier.

    Attributes:
        name: the signal.
        state: ``ok``, ``partial``, ``unusable`` or ``blind``.
        value: the worst member's.
        scales: one per tier that uses it; empty for an alert, which fires or does not.
        ticks: labels of the scales' axis, from left to right.
        curve: the last hour; None without one.
        caption: what the curve shows.
        expects_growth: whether some scale shows what admitted runs are still going to write.
        members: how many answered, and which is worst; empty for an alert.
        problem: why the last observation is unusable or partial; None if it is neither.
    """

    name: str
    state: str
    value: str
    scales: list[chart.Scale] = field(default_factory=list)
    ticks: list[str] = field(default_factory=list)
    curve: chart.Curve | None = None
    caption: str
    expects_growth: bool
    members: str
    problem: str | None


def tier_cards(snapshot: Snapshot) -> list[TierCard]:
    """Return the card of every tier, the default tier's first; none before the first decision."""
    result = snapshot.result
    if result is None or result.decision is None:
        return []
    decision, plan = result.decision, result.plan
    names = sorted(decision.tiers, key=lambda name: name != plan.default_tier)
    return [_tier_card(snapshot, decision, plan, name) for name in names]


def signal_cards(snapshot: Snapshot) -> list[SignalCard]:
    """Return the card of every signal, in the configuration's order; none before a decision."""
    result = snapshot.result
    if result is None or result.decision is None:
        return []
    decision, plan = result.decision, result.plan
    return [
        _signal_card(snapshot, decision.signals[name], plan, name)
        for name in plan.signals
        if name in decision.signals
    ]


def _tier_card(snapshot: Snapshot, decision: Decision, plan: Plan, name: str) -> TierCard:
    entry, now = decision.tiers[name], snapshot.now.utc
    lasting = format_duration((now - entry.since).total_seconds())
    return TierCard(
        name=name,
        default=name == plan.default_tier,
        overridden=decision.override is not None and decision.override.covers(name),
        allow=entry.allow,
        since=f"since {format_time(entry.since, now=now)}, for {lasting}",
        why=_why(snapshot, plan, entry, name),
        room=room_sentence(entry, snapshot.reservation(name)),
        queue=queue_sentence(entry),
        until=_until(snapshot, decision, plan, name),
        latches=[
            _latch_row(snapshot, decision, plan, name, signal)
            for signal in plan.tiers.get(name, {})
        ],
    )


def _why(snapshot: Snapshot, plan: Plan, entry: TierDecision, name: str) -> str:
    if not entry.allow:
        return sentence(entry.reason or "etcd is close to its quota")
    if entry.warning:
        return sentence(f"Warning: {entry.warning}")
    blind = [signal for signal in plan.tiers.get(name, {}) if signal in snapshot.blind_signals]
    if blind:
        rules = ", ".join(f"{signal} ({plan.signals[signal].on_blind.value})" for signal in blind)
        return f"Not because etcd has room: on_blind decides for {rules}."
    return "No signal denies it."


def room_sentence(entry: TierDecision, reservation: Reservation | None) -> str | None:
    """Say how much further runs fit in a tier, and what its admitted runs are still going to write.

    Args:
        entry: of the decision.
        reservation: of the tier; None if it is not known.
    """
    if entry.room is None:
        return None
    runs, parts = int(entry.room), []
    if not runs:
        parts.append("No room for another run")
    elif entry.allow:  # of no use to a tier that denies for another reason
        parts.append(f"Room for {runs:,} more {'run' if runs == 1 else 'runs'}")
    if reservation is not None and reservation.runs:
        noun = "run" if reservation.runs == 1 else "runs"
        left = format_size(reservation.reserved)
        parts.append(f"{reservation.runs:,} admitted {noun} still to write {left}")
    return f"{'; '.join(parts)}." if parts else None


def queue_sentence(entry: TierDecision) -> str | None:
    """Say how many runs of a tier are held, how long a new one waits, and how many more may be.

    Args:
        entry: of the decision.
    """
    hold = entry.hold
    if hold is None:
        return None
    parts = [f"{hold.held:,} {'run is' if hold.held == 1 else 'runs are'} held"]
    if hold.wait_seconds is not None and hold.held:
        parts.append(f"a new one waits about {format_duration(hold.wait_seconds)}")
    slots = int(hold.slots)
    if hold.full:
        parts.append("etcd is too full for more")
    else:
        parts.append(f"{slots:,} more may be" if slots else "no more may be")
    return f"{', '.join(parts)}."


def _until(snapshot: Snapshot, decision: Decision, plan: Plan, name: str) -> Until | None:
    entry, override = decision.tiers[name], decision.override
    if override is not None and override.covers(name):
        return Until("Until", format_time(override.until, now=snapshot.now.utc))
    if entry.allow:
        if entry.set is None or entry.unit == Unit.ALERT:
            return None
        nearest = format_value(entry.set, entry.unit)
        return Until("Until a signal reaches its set threshold, the nearest at", nearest)
    waits = [
        f"{signal} is below {format_value(threshold.reset, plan.signals[signal].unit)}"
        if plan.signals[signal].unit is not Unit.ALERT
        else f"alert {signal} stops"
        for signal, threshold in plan.tiers.get(name, {}).items()
        if snapshot.latch(name, signal) is LatchState.SET
    ]
    if not waits and name in snapshot.tiers_without_room:
        return Until("Until", "there is room again")
    return Until("Until", " and ".join(waits) or "every signal is below its reset threshold")


def _latch_row(
    snapshot: Snapshot, decision: Decision, plan: Plan, tier: str, signal: str
) -> LatchRow:
    unit, threshold = plan.signals[signal].unit, plan.tiers[tier][signal]

    def bound(at: float | None) -> str:
        # An alert fires or does not; its internal thresholds say nothing.
        return NO_VALUE if at is None or unit is Unit.ALERT else format_value(at, unit)

    return LatchRow(
        signal=signal,
        value=_value(decision.signals.get(signal), unit),
        warn=bound(threshold.warn),
        set=bound(threshold.set),
        reset=bound(threshold.reset),
        latch=snapshot.latch(tier, signal).value,
    )


def _signal_card(
    snapshot: Snapshot, observation: SignalObservation, plan: Plan, name: str
) -> SignalCard:
    signal, state = plan.signals[name], observation.state
    thresholds = {tier: named[name] for tier, named in plan.tiers.items() if name in named}
    problem = snapshot.problems.get(name)
    members = "" if signal.unit is Unit.ALERT else _members(observation, signal.members)
    history = snapshot.histories.get(name)
    values = [] if history is None else [value for _, value in history.points]
    top = chart.axis_top(signal.unit, thresholds, [observation.value or 0.0, *values])
    scales, ticks, curve = [], [], None
    if signal.unit is not Unit.ALERT:
        ticks = chart.ticks(signal.unit, top)
        scales = [
            chart.scale(
                tier,
                observation.value,
                threshold,
                unit=signal.unit,
                top=top,
                complete=state == "ok",
                expected=snapshot.expected_value(tier, name),
            )
            for tier, threshold in _default_first(thresholds, plan.default_tier)
        ]
        if history is not None and values:
            default = thresholds.get(plan.default_tier)
            now_ms = snapshot.now.ms
            curve = chart.curve(history, default, unit=signal.unit, now_ms=now_ms, top=top)
    return SignalCard(
        name=name,
        state=state,
        value=_value(observation, signal.unit),
        scales=scales,
        ticks=ticks,
        curve=curve,
        caption="last hour, with the thresholds of " + plan.default_tier,
        expects_growth=any(scale.expected > scale.value for scale in scales),
        members=members,
        problem=None if problem is None or problem in members else sentence(problem),
    )


def _default_first(
    thresholds: dict[str, Threshold], default_tier: str
) -> list[tuple[str, Threshold]]:
    return sorted(thresholds.items(), key=lambda item: item[0] != default_tier)


def _value(observation: SignalObservation | None, unit: Unit) -> str:
    if observation is None or observation.value is None:
        return NO_VALUE
    if unit is Unit.ALERT:
        return "firing" if observation.value >= 1 else "not firing"
    return format_value(observation.value, unit)


def _members(observation: SignalObservation, expected: int | None) -> str:
    of = f" of {expected}" if expected is not None else ""
    noun = "member" if (expected or observation.members) == 1 else "members"
    answered = f"{observation.members}{of} {noun} answered"
    if observation.member:
        return f"Worst member: {observation.member}. {answered}."
    return f"{answered}."
