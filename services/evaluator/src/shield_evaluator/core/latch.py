"""The latches, and everything that moves them.

Theory of operation
===================

There is one latch per signal and tier, a JK flip-flop clocked by the evaluator's cycle. Each
observation is first compared with the threshold: it is ABOVE, BELOW, BETWEEN or UNPROVEN
(``core.observation.Comparison``).

Two timers run. ``above_since`` starts with the first ABOVE. BELOW and BETWEEN clear it, UNPROVEN
does not: a scrape that fails now and then must not postpone a denial. ``below_since`` starts with
the first BELOW. Anything else clears it, UNPROVEN included: the value may have risen meanwhile.

    state     above for set_for   below for reset_for   BETWEEN      UNPROVEN
    UNKNOWN   SET                 RESET                 cold start   UNKNOWN
    RESET     SET                 RESET                 RESET        RESET
    SET       SET                 RESET                 SET          SET

A signal without a usable observation for ``blind_after`` is *blind*. Blindness moves no latch. It
only selects, by ``on_blind``, the state with which the signal counts in its tiers: that of its
latch (hold), SET (deny) or RESET (allow).

A tier denies while any of its signals counts as SET, and admits when all count as RESET. In all
other cases (a latch is still UNKNOWN) it keeps its last bit. Without a last bit it denies if
``cold_start`` is set; otherwise it is *undecided*, because admitters may still hold a denial that
this evaluator does not know of. An UNKNOWN latch keeps its tier undecided for this long:

    on BELOW      not at all: the value is low, only ``reset_for`` is not over
    on BETWEEN    ``cold_start_delay``, or until the default tier denies; then ``cold_start``
                  decides
    otherwise     ``blind_after``

and the tier then admits. Apart from its latches, a tier denies while it is closed for lack of room
(``core.room``).

Time is an argument: whole milliseconds of a monotonic clock, plus a UTC time that only labels
changes. A state that is encoded as ages and decoded at the same instant is the same state, so a
restart at any point changes no later output (``core.latches_document``). How long no evaluator ran
is not known, so that time counts for no timer. A pause of the process proves nothing either
(``after_pause``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from shield_evaluator.core.observation import Comparison, compare
from shield_evaluator.core.plan import ColdStart, OnBlind
from shield_evaluator.core.room import closed_tiers
from shield_evaluator.core.state import Latch, LatchState, ShieldState, TierBit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.holding import HoldingState
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, SignalPlan, Threshold
    from shield_evaluator.core.room import RoomState
    from shield_evaluator.core.state import Instant

_NEW: Final = Latch()


def step(
    latch: Latch,
    comparison: Comparison,
    threshold: Threshold,
    *,
    now_ms: int,
    cold_start: ColdStart | None,
) -> Latch:
    """Return the latch after one more comparison of its signal with the threshold.

    Args:
        latch: the latch before.
        comparison: the result.
        threshold: the bounds.
        now_ms: the instant.
        cold_start: the configured one; None while an UNKNOWN latch between the bounds waits.
    """
    state, above_since, below_since = latch.state, latch.above_since_ms, latch.below_since_ms
    if comparison is Comparison.ABOVE:
        since = now_ms if above_since is None else above_since
        is_set = now_ms - since >= threshold.set_for_ms
        return Latch(LatchState.SET if is_set else state, above_since_ms=since)
    if comparison is Comparison.BELOW:
        since = now_ms if below_since is None else below_since
        is_reset = now_ms - since >= threshold.reset_for_ms
        return Latch(LatchState.RESET if is_reset else state, below_since_ms=since)
    if comparison is Comparison.UNPROVEN:
        return Latch(state, above_since_ms=above_since)
    if state is LatchState.UNKNOWN and cold_start is not None:
        state = LatchState(cold_start.value)
    return Latch(state)


def blind_signals(plan: Plan, last_usable_ms: Mapping[str, int], *, now_ms: int) -> frozenset[str]:
    """Return the signals that have had no usable observation for ``blind_after``."""
    return frozenset(
        name
        for name, signal in plan.signals.items()
        if now_ms - last_usable_ms[name] >= signal.blind_after_ms
    )


def effective_state(latch: Latch, signal: SignalPlan, *, blind: bool) -> LatchState:
    """Return the state with which a signal counts in its tier."""
    if blind and signal.on_blind is OnBlind.DENY:
        return LatchState.SET
    if blind and signal.on_blind is OnBlind.ALLOW:
        return LatchState.RESET
    return latch.state


def latches_allow(
    states: list[LatchState], last: TierBit | None, cold_start: ColdStart
) -> bool | None:
    """Return whether a tier's latches alone admit; None while it is undecided.

    Args:
        states: the effective state of each of its signals.
        last: the bit before; None if there is none.
        cold_start: the configured one.
    """
    if LatchState.SET in states:
        return False
    if states.count(LatchState.RESET) == len(states):
        return True
    if last is not None:
        return last.latches_allow
    return False if cold_start is ColdStart.SET else None


def after_pause(state: ShieldState) -> ShieldState:
    """Return the state without its running `reset_for` timers, as after `Comparison.UNPROVEN`."""
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
    holding: HoldingState | None = None,
) -> ShieldState:
    """Advance all latches and tiers by one cycle.

    Args:
        plan: the configuration.
        state: the state after the last cycle.
        observations: one per signal of the plan; a missing one counts as unusable.
        now: must not be before the last cycle's.
        room: the result of this cycle's `core.room.advance`; without one, the last cycle's stays.
        holding: the result of this cycle's `core.holding.advance`, likewise.

    Returns:
        The state after this cycle. It contains exactly the latches and signals of the plan, and
        the tiers of the plan that are decided.
    """
    since_ms = now.ms if state.remembered_since_ms is None else state.remembered_since_ms
    last_usable = {
        name: now.ms
        if (observation := observations.get(name)) is not None and observation.usable
        else state.last_usable_ms.get(name, now.ms)
        for name in plan.signals
    }
    comparisons = {
        (tier, name): compare(observations.get(name), threshold)
        for tier, thresholds in plan.tiers.items()
        for name, threshold in thresholds.items()
    }
    remembered_ms = now.ms - since_ms
    latches = _advance_latches(plan, state, comparisons, now.ms, remembered_ms)
    after = replace(
        state,
        latches=latches,
        last_usable_ms=last_usable,
        room=state.room if room is None else room,
        remembered_since_ms=since_ms,
        holding=state.holding if holding is None else holding,
    )
    return replace(after, bits=_advance_bits(plan, after, comparisons, now, remembered_ms))


def _advance_bits(
    plan: Plan,
    state: ShieldState,
    comparisons: Mapping[tuple[str, str], Comparison],
    now: Instant,
    remembered_ms: int,
) -> dict[str, TierBit]:
    """Return the bits of the tiers that are decided.

    Args:
        plan: the configuration.
        state: everything of this cycle but the bits, which are the last cycle's.
        comparisons: this cycle's, by tier and signal.
        now: the instant.
        remembered_ms: how far back the memory goes, milliseconds.
    """
    blind = blind_signals(plan, state.last_usable_ms, now_ms=now.ms)
    closed = closed_tiers(state.room)
    bits = {}
    for tier, thresholds in plan.tiers.items():
        states = [
            effective_state(state.latches[tier, name], plan.signals[name], blind=name in blind)
            for name in thresholds
        ]
        last = state.bits.get(tier)
        allow = latches_allow(states, last, plan.cold_start)
        if allow is None:
            undecided_ms = max(
                _undecided_ms(plan, name, comparisons[tier, name])
                for name, latch_state in zip(thresholds, states, strict=True)
                if latch_state is LatchState.UNKNOWN
            )
            if remembered_ms < undecided_ms:
                continue
            allow = True
        bits[tier] = _bit(last, latches_allow=allow, closed=tier in closed, now=now)
    return bits


def _bit(last: TierBit | None, *, latches_allow: bool, closed: bool, now: Instant) -> TierBit:
    """Return a tier's bit from what its latches say, and whether it is closed for lack of room."""
    allow = latches_allow and not closed
    since = last.since if last is not None and last.allow is allow else now.utc
    return TierBit(allow, since, None if latches_allow is allow else latches_allow)


def _advance_latches(
    plan: Plan,
    state: ShieldState,
    comparisons: Mapping[tuple[str, str], Comparison],
    now_ms: int,
    remembered_ms: int,
) -> dict[tuple[str, str], Latch]:
    def stepped(tier: str, cold_start: ColdStart | None) -> dict[tuple[str, str], Latch]:
        return {
            (tier, name): step(
                state.latches.get((tier, name), _NEW),
                comparisons[tier, name],
                threshold,
                now_ms=now_ms,
                cold_start=cold_start,
            )
            for name, threshold in plan.tiers[tier].items()
        }

    delayed = plan.cold_start is ColdStart.RESET and remembered_ms < plan.cold_start_delay_ms
    if delayed:
        # Once the default tier denies, the decision covers every tier, so waiting ends. A lower
        # tier's denial does not end it: its latch sets inside the higher tiers' bands.
        default = stepped(plan.default_tier, None).values()
        delayed = all(latch.state is not LatchState.SET for latch in default)
    latches: dict[tuple[str, str], Latch] = {}
    for tier in plan.tiers:
        waits = delayed and tier not in state.bits
        latches |= stepped(tier, None if waits else plan.cold_start)
    return latches


def _undecided_ms(plan: Plan, signal: str, comparison: Comparison) -> int:
    """Return for how long an UNKNOWN latch keeps its tier undecided."""
    if comparison is Comparison.BELOW:
        return 0
    if comparison is Comparison.BETWEEN:
        return plan.cold_start_delay_ms
    return plan.signals[signal].blind_after_ms
