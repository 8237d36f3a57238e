"""The latches, and everything that moves them.

Theory of operation
===================

There is one latch per signal and tier, a JK flip-flop clocked by the evaluator's cycle. Each
observation is first reduced to *evidence* against the threshold:

    ABOVE    usable, value >= set; a maximum over some members proves this as well
    BELOW    usable, complete, value < reset
    BETWEEN  usable, complete, reset <= value < set
    NONE     unusable, or partial and below set: it proves nothing

Two timers run. ``above_since`` starts with the first ABOVE. BELOW and BETWEEN clear it, NONE does
not: a scrape that fails now and then must not postpone a denial. ``below_since`` starts with the
first BELOW. Anything else clears it, NONE included: the value may have risen meanwhile.

    state     above for set_for   below for reset_for   BETWEEN      NONE
    UNKNOWN   SET                 RESET                 cold start   UNKNOWN
    RESET     SET                 RESET                 RESET        RESET
    SET       SET                 RESET                 SET          SET

A signal without a usable observation for ``blind_after`` is *blind*. Blindness moves no latch. It
only selects, by ``on_blind``, the state with which the signal counts in its tiers: that of its
latch (hold), SET (deny) or RESET (allow).

A tier denies while any of its signals counts as SET, and admits when all count as RESET. In all
other cases (a latch is still UNKNOWN) it keeps its last bit, or starts with the cold start's.
Apart from its latches, a tier denies while it is closed for lack of room (``core.room``).

Time is an argument: whole milliseconds of a monotonic clock, plus a UTC time that only labels
changes. A state that is encoded as ages and decoded at the same instant is the same state, so a
restart at any point changes no later output (``core.latches_document``). How long no evaluator ran
is not known, so that time counts for no timer. A pause of the process proves as little as NONE
does (``after_pause``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from shield_evaluator.core.plan import ColdStart, OnBlind
from shield_evaluator.core.room import RoomState, closed_tiers

if TYPE_CHECKING:
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, SignalPlan, Threshold


class LatchState(enum.StrEnum):
    """The three states of a latch."""

    UNKNOWN = "unknown"
    RESET = "reset"
    SET = "set"


class Evidence(enum.Enum):
    """What an observation proves about a threshold; see the theory above."""

    ABOVE = enum.auto()
    BETWEEN = enum.auto()
    BELOW = enum.auto()
    NONE = enum.auto()


class Instant(Struct, frozen=True, gc=False):
    """A point in time.

    Attributes:
        ms: milliseconds of a monotonic clock; all decisions use this.
        utc: the wall clock's time, for display only.
    """

    ms: int
    utc: datetime


class Latch(Struct, frozen=True, gc=False):
    """One signal's latch in one tier.

    Attributes:
        state: its state.
        above_since_ms: since when the value has been at or above set; None if it is not.
        below_since_ms: since when the value has been proven below reset; None if it is not.
    """

    state: LatchState = LatchState.UNKNOWN
    above_since_ms: int | None = None
    below_since_ms: int | None = None


class TierBit(Struct, frozen=True, gc=False):
    """One tier's bit.

    Attributes:
        allow: whether the tier admits.
        since: when the bit last changed, for display.
    """

    allow: bool
    since: datetime


class ShieldState(Struct, frozen=True):
    """Everything that the evaluator remembers from one cycle to the next.

    Attributes:
        latches: by tier and signal.
        last_usable_ms: by signal, the time of its last usable observation; without one, the time
            at which it was first observed.
        tiers: the bits, by tier.
        room: reservations and room (`core.room`).
    """

    latches: Mapping[tuple[str, str], Latch] = field(default_factory=dict)
    last_usable_ms: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, TierBit] = field(default_factory=dict)
    room: RoomState = field(default_factory=RoomState)


_NEW: Final = Latch()


def evidence_of(observation: Observation, threshold: Threshold) -> Evidence:
    """Return what an observation proves about a threshold."""
    value = observation.value
    if value is None:
        return Evidence.NONE
    if value >= threshold.set:
        return Evidence.ABOVE
    if observation.partial:
        return Evidence.NONE
    return Evidence.BELOW if value < threshold.reset else Evidence.BETWEEN


def step(
    latch: Latch, evidence: Evidence, threshold: Threshold, *, now_ms: int, cold_start: ColdStart
) -> Latch:
    """Return the latch after one more piece of evidence."""
    if _settled(latch, evidence):
        return latch
    above, below = _timers(latch, evidence, now_ms)
    state = latch.state
    if above is not None and evidence is Evidence.ABOVE and now_ms - above >= threshold.set_for_ms:
        state = LatchState.SET
    elif below is not None and now_ms - below >= threshold.reset_for_ms:
        state = LatchState.RESET
    elif state is LatchState.UNKNOWN and evidence is Evidence.BETWEEN:
        state = LatchState.SET if cold_start is ColdStart.SET else LatchState.RESET
    return Latch(state, above, below)


def _settled(latch: Latch, evidence: Evidence) -> bool:
    """Return whether the evidence changes neither the latch nor its timer.

    Most cycles end here; a backtest runs millions of them.
    """
    if evidence is Evidence.BELOW:
        return latch.below_since_ms is not None and latch.state is LatchState.RESET
    if evidence is Evidence.ABOVE:
        return latch.above_since_ms is not None and latch.state is LatchState.SET
    return False


def _timers(latch: Latch, evidence: Evidence, now_ms: int) -> tuple[int | None, int | None]:
    if evidence is Evidence.ABOVE:
        return (now_ms if latch.above_since_ms is None else latch.above_since_ms), None
    if evidence is Evidence.BELOW:
        return None, (now_ms if latch.below_since_ms is None else latch.below_since_ms)
    if evidence is Evidence.BETWEEN:
        return None, None
    return latch.above_since_ms, None


def is_blind(signal: SignalPlan, last_usable_ms: int, *, now_ms: int) -> bool:
    """Return whether a signal has had no usable observation for ``blind_after``."""
    return now_ms - last_usable_ms >= signal.blind_after_ms


def effective_state(latch: Latch, signal: SignalPlan, *, blind: bool) -> LatchState:
    """Return the state with which a signal counts in its tier."""
    if blind and signal.on_blind is OnBlind.DENY:
        return LatchState.SET
    if blind and signal.on_blind is OnBlind.ALLOW:
        return LatchState.RESET
    return latch.state


def tier_allows(states: list[LatchState], last: TierBit | None, cold_start: ColdStart) -> bool:
    """Return a tier's bit.

    Args:
        states: the effective state of each of its signals.
        last: the bit before; None if there is none.
        cold_start: the configured one.
    """
    if LatchState.SET in states:
        return False
    if states.count(LatchState.RESET) == len(states):
        return True
    return last.allow if last is not None else cold_start is ColdStart.RESET


def after_pause(state: ShieldState) -> ShieldState:
    """Return the state without its running `reset_for` timers, as after `Evidence.NONE`."""
    latches = {
        key: latch if latch.state is LatchState.RESET else Latch(latch.state, latch.above_since_ms)
        for key, latch in state.latches.items()
    }
    return replace(state, latches=latches)


def advance(
    plan: Plan,
    state: ShieldState,
    observations: Mapping[str, Observation],
    now: Instant,
    *,
    room: RoomState | None = None,
) -> ShieldState:
    """Advance all latches and tiers by one cycle.

    Args:
        plan: the configuration.
        state: the state after the last cycle.
        observations: one per signal of the plan; a missing one counts as unusable.
        now: must not be before the last cycle's.
        room: the result of this cycle's `core.room.advance`; without one, the last cycle's stays.

    Returns:
        The state after this cycle; it contains exactly the tiers and signals of the plan.
    """
    last_usable = {
        name: now.ms
        if (observation := observations.get(name)) is not None and observation.usable
        else state.last_usable_ms.get(name, now.ms)
        for name in plan.signals
    }
    latches = {}
    for tier, thresholds in plan.tiers.items():
        for name, threshold in thresholds.items():
            observation = observations.get(name)
            latches[tier, name] = step(
                state.latches.get((tier, name), _NEW),
                Evidence.NONE if observation is None else evidence_of(observation, threshold),
                threshold,
                now_ms=now.ms,
                cold_start=plan.cold_start,
            )
    blind = {
        name: is_blind(signal, last_usable[name], now_ms=now.ms)
        for name, signal in plan.signals.items()
    }
    room = state.room if room is None else room
    closed = closed_tiers(room)
    tiers = {}
    for tier, thresholds in plan.tiers.items():
        states = [
            effective_state(latches[tier, name], plan.signals[name], blind=blind[name])
            for name in thresholds
        ]
        last = state.tiers.get(tier)
        allow = tier_allows(states, last, plan.cold_start) and tier not in closed
        unchanged = last is not None and last.allow is allow
        tiers[tier] = last if last is not None and unchanged else TierBit(allow, now.utc)
    return ShieldState(latches, last_usable, tiers, room)
