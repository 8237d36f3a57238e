"""Build the decision document from the latches.

``core.latch`` has settled what each tier does. Here overrides take precedence over it, each tier
gets its explanation (``core.sentences``), and the document is put together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from shield_common.decision import Decision, SignalObservation, TierDecision
from shield_evaluator.core import sentences
from shield_evaluator.core.latch import LatchState, effective_state, is_blind
from shield_evaluator.core.room import room_of
from shield_evaluator.core.sentences import SignalInTier
from shield_evaluator.core.slots import priorities, tier_hold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shield_common.decision import Override
    from shield_evaluator.core.latch import Instant, ShieldState, TierBit
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.room import TierRoom

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
    blind = {
        name: is_blind(signal, state.last_usable_ms[name], now_ms=now.ms)
        for name, signal in plan.signals.items()
    }
    rooms = {tier: room_of(plan, state.room, tier) for tier in plan.tiers}
    order = priorities(plan)
    tiers = {}
    for tier in plan.tiers:
        signals = _signals_in_tier(plan, tier, state, observations, blind)
        bit = state.tiers.get(tier)
        if override is not None and override.covers(tier):
            overridden = _overridden(override, bit, signals)
            entry = _with_room(overridden, rooms[tier], envelope, paced=False)
        elif bit is not None:
            latched = _latched(plan, tier, bit, signals, rooms[tier])
            entry = _with_room(latched, rooms[tier], envelope, paced=True)
        else:
            continue
        hold = tier_hold(plan, state.slots, tier, admitters=envelope.admitters)
        tiers[tier] = replace(entry, hold=hold, priority=order[tier])
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
        return bit.allow if (bit := state.tiers.get(tier)) is not None else None

    if allow(plan.default_tier) is False:
        return []
    return [tier for tier in plan.tiers if allow(tier) is None]


def signal_entries(
    plan: Plan, state: ShieldState, observations: Mapping[str, Observation], *, now_ms: int
) -> dict[str, SignalObservation]:
    """Return the document's entry for each signal."""
    return {
        name: _signal_entry(
            observations.get(name),
            blind=is_blind(signal, state.last_usable_ms[name], now_ms=now_ms),
        )
        for name, signal in plan.signals.items()
    }


def _signal_entry(observation: Observation | None, *, blind: bool) -> SignalObservation:
    if observation is None or not observation.usable:
        return SignalObservation(state="blind" if blind else "unusable")
    return SignalObservation(
        value=observation.value,
        member=observation.member and observation.member[:MAX_MEMBER],
        members=observation.members,
        state="partial" if observation.partial else "ok",
    )


def _signals_in_tier(
    plan: Plan,
    tier: str,
    state: ShieldState,
    observations: Mapping[str, Observation],
    blind: Mapping[str, bool],
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
                state=effective_state(latch, signal, blind=blind[name]),
                blind=blind[name],
                partial=observation is not None and observation.partial,
            )
        )
    return signals


def _latched(
    plan: Plan,
    tier: str,
    bit: TierBit,
    signals: Sequence[SignalInTier],
    room: TierRoom | None,
) -> TierDecision:
    """Return the entry of a tier without an override. What takes precedence comes first."""
    if bit.allow:
        return _admitting(tier, bit, signals)
    if room is not None and room.closed and not _set_signals(signals):
        return _without_room(room, bit, signals)
    return _denying(plan, bit, signals)


def _with_room(
    entry: TierDecision, room: TierRoom | None, envelope: Envelope, *, paced: bool
) -> TierDecision:
    """Add what an admitter needs to pace a tier; an override paces nothing."""
    if room is None:
        return entry
    share = room.share(interval_ms=envelope.interval_ms, admitters=envelope.admitters)
    return replace(
        entry,
        room=room.runs,
        share=share if paced and entry.allow else None,
        run_cost=room.run_cost,
    )


def _overridden(
    override: Override, bit: TierBit | None, signals: Sequence[SignalInTier]
) -> TierDecision:
    nearest = _nearest(signals)
    if not override.allow:
        return TierDecision(
            allow=False,
            since=override.since,
            reason=sentences.override_reason(override),
            unit=nearest.unit,
        )
    return TierDecision(
        allow=True,
        since=override.since,
        value=nearest.value,
        set=nearest.threshold.set,
        reset=nearest.threshold.reset,
        warning=sentences.override_warning(override) if bit is not None and not bit.allow else None,
        unit=nearest.unit,
    )


def _admitting(tier: str, bit: TierBit, signals: Sequence[SignalInTier]) -> TierDecision:
    nearest = _nearest(signals)
    return TierDecision(
        allow=True,
        since=bit.since,
        value=nearest.value,
        set=nearest.threshold.set,
        reset=nearest.threshold.reset,
        warning=sentences.usage_warning(tier, signals),
        unit=nearest.unit,
    )


def _without_room(room: TierRoom, bit: TierBit, signals: Sequence[SignalInTier]) -> TierDecision:
    # No reset: the tier opens with room for some runs, not below a value.
    fullest = next(signal for signal in signals if signal.name == room.signal)
    return TierDecision(
        allow=False,
        since=bit.since,
        reason=sentences.NO_ROOM,
        signal=fullest.name,
        value=fullest.value,
        set=fullest.threshold.set,
        unit=fullest.unit,
    )


def _set_signals(signals: Sequence[SignalInTier]) -> list[SignalInTier]:
    return [signal for signal in signals if signal.state is LatchState.SET]


def _denying(plan: Plan, bit: TierBit, signals: Sequence[SignalInTier]) -> TierDecision:
    denying = _set_signals(signals)
    if not denying:
        return TierDecision(
            allow=False,
            since=bit.since,
            reason=sentences.undetermined_reason(plan, signals),
            unit=_nearest(signals).unit,
        )
    nearest = _nearest(denying)
    return TierDecision(
        allow=False,
        since=bit.since,
        reason=sentences.denial_reason(nearest, plan),
        signal=nearest.name,
        value=nearest.value,
        set=nearest.threshold.set,
        reset=nearest.threshold.reset,
        unit=nearest.unit,
    )


def _nearest(signals: Sequence[SignalInTier]) -> SignalInTier:
    return max(signals, key=lambda signal: signal.nearness)
