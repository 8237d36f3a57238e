"""Build the decision document from the latches.

``core.latch`` has settled what each tier does. Here overrides take precedence over it, each tier
gets its explanation (``core.sentences``), and the document is put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from shield_common.decision import Decision, SignalObservation, TierDecision
from shield_evaluator.core import sentences
from shield_evaluator.core.holding import priorities, tier_hold
from shield_evaluator.core.latch import blind_signals, effective_state
from shield_evaluator.core.room import room_of
from shield_evaluator.core.sentences import SignalInTier
from shield_evaluator.core.state import LatchState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shield_common.decision import Override
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.room import TierRoom
    from shield_evaluator.core.state import Instant, ShieldState, TierBit

# A member's name is an address or a pod's name; a longer one is cut.
MAX_MEMBER: Final = 256


@dataclass(frozen=True, slots=True)
class Envelope:
    """The fields of a document that do not depend on the latches.

    Attributes:
        cluster: the cluster's name.
        epoch: the writer's fencing number.
        sequence: the number of the decision within the epoch.
        ttl_ms: lifetime of the document, milliseconds.
        interval_ms: length of a cycle, milliseconds.
        status_url: the status page's address; None if it is not published.
        admitters: among how many admitters room is shared out.
    """

    cluster: str
    epoch: int
    sequence: int
    ttl_ms: int
    interval_ms: int
    status_url: str | None = None
    admitters: int = 1


def decide(
    plan: Plan,
    state: ShieldState,
    observations: Mapping[str, Observation],
    *,
    now: Instant,
    envelope: Envelope,
    override: Override | None = None,
    time_to_full_seconds: float | None = None,
) -> Decision:
    """Build the decision document, which lacks undecided tiers.

    It may be built only while `undecided_tiers` returns none.

    Args:
        plan: the configuration.
        state: the state after this cycle's `core.latch.advance`.
        observations: this cycle's, by signal.
        now: the instant of that `core.latch.advance`.
        envelope: cluster, epoch, sequence and times.
        override: the operator's override, if there is one.
        time_to_full_seconds: the forecast; None when usage is flat or falls.
    """
    blind = blind_signals(plan, state.last_usable_ms, now_ms=now.ms)
    rooms = {tier: room_of(plan, state.room, tier) for tier in plan.tiers}
    priority_by_tier = priorities(plan)
    tiers = {}
    for tier in plan.tiers:
        signals = _signals_in_tier(plan, tier, state, observations, blind)
        covering = override if override is not None and override.covers(tier) else None
        entry = _tier_entry(plan, tier, state.bits.get(tier), signals, rooms[tier], covering)
        if entry is None:
            continue
        if (room := rooms[tier]) is not None:
            share = room.share(interval_ms=envelope.interval_ms, admitters=envelope.admitters)
            # An override paces nothing.
            is_paced = entry.allow and covering is None
            entry = replace(
                entry,
                room=room.runs,
                run_cost=room.learned_run_cost,
                share=share if is_paced else None,
            )
        hold = tier_hold(plan, state.holding, tier, admitters=envelope.admitters)
        tiers[tier] = replace(entry, hold=hold, priority=priority_by_tier[tier])
    return Decision(
        cluster=envelope.cluster,
        epoch=envelope.epoch,
        sequence=envelope.sequence,
        ttl_ms=envelope.ttl_ms,
        interval_ms=envelope.interval_ms,
        evaluated_at=now.utc,
        allow=tiers[plan.default_tier].allow,
        tiers=tiers,
        signals=signal_entries(plan, state, observations, now_ms=now.ms),
        override=override,
        time_to_full_seconds=None if time_to_full_seconds is None else round(time_to_full_seconds),
        status_url=envelope.status_url,
        admitters=envelope.admitters if any(rooms.values()) or plan.max_held else None,
    )


def undecided_tiers(plan: Plan, state: ShieldState, override: Override | None) -> list[str]:
    """Return the undecided tiers because of which no decision may be published.

    Admitters give a tier that a decision lacks the default tier's bit. So a decision may lack
    undecided tiers while the default tier denies; otherwise it would admit them.

    Args:
        plan: the configuration.
        state: the state after this cycle's `core.latch.advance`.
        override: the operator's override, if there is one; it decides the tiers that it covers.

    Returns:
        Empty if a decision may be published.
    """

    def allow(tier: str) -> bool | None:
        if override is not None and override.covers(tier):
            return override.allow
        return bit.allow if (bit := state.bits.get(tier)) is not None else None

    if allow(plan.default_tier) is False:
        return []
    return [tier for tier in plan.tiers if allow(tier) is None]


def signal_entries(
    plan: Plan, state: ShieldState, observations: Mapping[str, Observation], *, now_ms: int
) -> dict[str, SignalObservation]:
    """Return the document's entry for each signal."""
    blind = blind_signals(plan, state.last_usable_ms, now_ms=now_ms)
    return {
        name: _signal_entry(observations.get(name), blind=name in blind) for name in plan.signals
    }


def _signal_entry(observation: Observation | None, *, blind: bool) -> SignalObservation:
    if observation is None or not observation.usable:
        return SignalObservation(state="blind" if blind else "unusable")
    return SignalObservation(
        value=observation.value,
        member=observation.member and observation.member[:MAX_MEMBER],
        members=observation.member_count,
        state="partial" if observation.partial else "ok",
    )


def _signals_in_tier(
    plan: Plan,
    tier: str,
    state: ShieldState,
    observations: Mapping[str, Observation],
    blind: frozenset[str],
) -> list[SignalInTier]:
    signals = []
    for name, threshold in plan.tiers[tier].items():
        observation = observations.get(name)
        latch, signal = state.latches[tier, name], plan.signals[name]
        signals.append(
            SignalInTier(
                name=name,
                threshold=threshold,
                unit=signal.unit,
                value=None if observation is None else observation.value,
                state=effective_state(latch, signal, blind=name in blind),
                blind=name in blind,
                partial=observation is not None and observation.partial,
            )
        )
    return signals


def _tier_entry(
    plan: Plan,
    tier: str,
    bit: TierBit | None,
    signals: Sequence[SignalInTier],
    room: TierRoom | None,
    override: Override | None,
) -> TierDecision | None:
    """Return what a tier does and why, without its room and slots; None while it is undecided.

    Args:
        plan: the configuration.
        tier: one of the plan.
        bit: its bit; None while it is undecided.
        signals: its signals.
        room: its room; None if that is not known.
        override: the operator's override, if it covers the tier.
    """
    if override is not None:
        return _overridden(override, bit, signals)
    if bit is None:
        return None
    if not bit.allow:
        return _denying(plan, bit.since, signals, room)
    warning = sentences.usage_warning(tier, signals)
    return _admitting(_nearest(signals), since=bit.since, warning=warning)


def _overridden(
    override: Override, bit: TierBit | None, signals: Sequence[SignalInTier]
) -> TierDecision:
    nearest = _nearest(signals)
    if not override.allow:
        reason = sentences.override_reason(override)
        return TierDecision(allow=False, since=override.since, reason=reason, unit=nearest.unit)
    would_deny = bit is not None and not bit.allow
    warning = sentences.override_warning(override) if would_deny else None
    return _admitting(nearest, since=override.since, warning=warning)


def _admitting(nearest: SignalInTier, *, since: datetime, warning: str | None) -> TierDecision:
    return TierDecision(
        allow=True,
        since=since,
        value=nearest.value,
        set=nearest.threshold.set,
        reset=nearest.threshold.reset,
        warning=warning,
        unit=nearest.unit,
    )


def _denying(
    plan: Plan, since: datetime, signals: Sequence[SignalInTier], room: TierRoom | None
) -> TierDecision:
    """Return the entry of a tier that denies: by a latch, else for lack of room."""
    by_latch = [signal for signal in signals if signal.state is LatchState.SET]
    if by_latch:
        cause = _nearest(by_latch)
        reason, reset = sentences.denial_reason(cause, plan), cause.threshold.reset
    elif room is not None and room.closed:
        cause = next(signal for signal in signals if signal.name == room.signal)
        # No reset: the tier opens with room for some runs, not below a value.
        reason, reset = sentences.NO_ROOM, None
    else:
        reason, unit = sentences.unknown_usage_reason(plan, signals), _nearest(signals).unit
        return TierDecision(allow=False, since=since, reason=reason, unit=unit)
    return TierDecision(
        allow=False,
        since=since,
        reason=reason,
        signal=cause.name,
        value=cause.value,
        set=cause.threshold.set,
        reset=reset,
        unit=cause.unit,
    )


def _nearest(signals: Sequence[SignalInTier]) -> SignalInTier:
    """Return the signal that is nearest to, or furthest beyond, its ``set``."""
    return max(signals, key=attrgetter("nearness"))
