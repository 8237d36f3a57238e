"""The latches, and everything that moves them.

Theory of operation
===================

There is one latch per signal and tier, a JK flip-flop clocked by the evaluator's cycle. Each
observation is first reduced to *evidence* against the threshold:

    ABOVE    usable, value >= set           a maximum over some members proves this too
    BELOW    usable, complete, value < reset
    BETWEEN  usable, complete, the rest
    SILENT   unusable, or partial and below set: it proves nothing

Two timers run. ``above_since`` starts with the first ABOVE; BELOW and BETWEEN clear it, SILENT
leaves it: a scrape that fails now and then must not put a denial off. ``below_since`` starts with
the first BELOW; anything else clears it, SILENT too: nobody knows that the value stayed low.

    state     above for set_for   below for reset_for   BETWEEN        SILENT
    UNKNOWN   SET                 RESET                 cold start's   UNKNOWN
    RESET     SET                 RESET                 RESET          RESET
    SET       SET                 RESET                 SET            SET

A signal without a usable observation for ``blind_after`` is *blind*. That moves no latch; it only
says, by ``on_blind``, how the signal counts in its tiers: as its latch (hold), as SET (deny) or as
RESET (allow).

A tier denies while any of its signals counts as SET and admits when all count as RESET. While
neither holds (some latch is still UNKNOWN) it keeps its last bit; a tier without one starts with
the cold start's.

Time is an argument: whole milliseconds of any clock that never goes back, plus a UTC moment that
only labels changes. A state that is written down as ages and read back at the same instant is
the same state, so a restart at any point changes no later output (``core.state``). How long
nobody ran is not known and counts for no timer; a pause of whoever steps the latches proves as
little as SILENT does (``paused``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

from shield_evaluator.core.plan import ColdStart, OnBlind

if TYPE_CHECKING:
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan, SignalPlan, Threshold


class LatchState(enum.StrEnum):
    """Where a latch is."""

    UNKNOWN = "unknown"
    RESET = "reset"
    SET = "set"


class Evidence(enum.Enum):
    """What an observation proves about a threshold."""

    ABOVE = enum.auto()
    BETWEEN = enum.auto()
    BELOW = enum.auto()
    SILENT = enum.auto()


class Instant(Struct, frozen=True, gc=False):
    """A point in time.

    Attributes:
        ms: milliseconds of a clock that never goes back; decides.
        utc: the wall clock's label for it; only shown.
    """

    ms: int
    utc: datetime


class Latch(Struct, frozen=True, gc=False):
    """One signal's latch in one tier.

    Attributes:
        state: where it is.
        above_since_ms: since when the value has been at or above set; None if it is not.
        below_since_ms: since when it has been proven below reset; None if it has not.
    """

    state: LatchState = LatchState.UNKNOWN
    above_since_ms: int | None = None
    below_since_ms: int | None = None


class TierBit(Struct, frozen=True, gc=False):
    """One tier's bit.

    Attributes:
        allow: whether it admits.
        since: when it last changed, for people.
    """

    allow: bool
    since: datetime


class ShieldState(Struct, frozen=True):
    """All that the evaluator remembers from one cycle to the next.

    Attributes:
        latches: by tier and signal.
        last_usable_ms: by signal: when its last usable observation was, or when it was first
            looked at.
        tiers: the bits, by tier.
    """

    latches: Mapping[tuple[str, str], Latch] = field(default_factory=dict)
    last_usable_ms: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, TierBit] = field(default_factory=dict)


_NEW: Final = Latch()


def weigh(observation: Observation, threshold: Threshold) -> Evidence:
    """Say what an observation proves about a threshold."""
    value = observation.value
    if value is None:
        return Evidence.SILENT
    if value >= threshold.set:
        return Evidence.ABOVE
    if observation.partial:
        return Evidence.SILENT
    return Evidence.BELOW if value < threshold.reset else Evidence.BETWEEN


def step(
    latch: Latch, evidence: Evidence, threshold: Threshold, *, now_ms: int, cold_start: ColdStart
) -> Latch:
    """Move one latch by one piece of evidence."""
    if _settled(latch, evidence):
        return latch
    above, below = _timers(latch, evidence, now_ms)
    state = latch.state
    if above is not None and evidence is Evidence.ABOVE and now_ms - above >= threshold.set_for_ms:
        state = LatchState.SET
    elif below is not None and now_ms - below >= threshold.reset_for_ms:
        state = LatchState.RESET
    elif state is LatchState.UNKNOWN and evidence is Evidence.BETWEEN:
        state = _cold(cold_start)
    return Latch(state, above, below)


def _settled(latch: Latch, evidence: Evidence) -> bool:
    """Say whether the latch is where the evidence points already, its timer included.

    Most cycles end here; a backtest steps through millions of them.
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


def _cold(cold_start: ColdStart) -> LatchState:
    return LatchState.SET if cold_start is ColdStart.SET else LatchState.RESET


def is_blind(signal: SignalPlan, last_usable_ms: int, *, now_ms: int) -> bool:
    """Say whether a signal has been without a usable observation for too long."""
    return now_ms - last_usable_ms >= signal.blind_after_ms


def counts_as(latch: Latch, signal: SignalPlan, *, blind: bool) -> LatchState:
    """Say how a signal counts in its tier."""
    if blind and signal.on_blind is OnBlind.DENY:
        return LatchState.SET
    if blind and signal.on_blind is OnBlind.ALLOW:
        return LatchState.RESET
    return latch.state


def admits(counts: list[LatchState], last: TierBit | None, cold_start: ColdStart) -> bool:
    """Say whether a tier admits, from how its signals count and its last bit."""
    if LatchState.SET in counts:
        return False
    if counts.count(LatchState.RESET) == len(counts):
        return True
    return last.allow if last is not None else cold_start is ColdStart.RESET


def paused(state: ShieldState) -> ShieldState:
    """Return what is left of a state when nobody observed for a while: see SILENT.

    It is the same unless a `reset_for` was running.
    """
    latches = {
        key: latch if latch.state is LatchState.RESET else Latch(latch.state, latch.above_since_ms)
        for key, latch in state.latches.items()
    }
    return replace(state, latches=latches)


def advance(
    plan: Plan, state: ShieldState, observations: Mapping[str, Observation], now: Instant
) -> ShieldState:
    """Move everything by one cycle.

    Args:
        plan: what is watched.
        state: the state after the last cycle.
        observations: one per signal of the plan; a missing one counts as unusable.
        now: must not be before the last cycle's.

    Returns:
        The state after this cycle; it holds what the plan names and nothing else.
    """
    last_usable = {
        name: now.ms
        if (seen := observations.get(name)) is not None and seen.usable
        else state.last_usable_ms.get(name, now.ms)
        for name in plan.signals
    }
    latches = {}
    for tier, thresholds in plan.tiers.items():
        for name, threshold in thresholds.items():
            seen = observations.get(name)
            latches[tier, name] = step(
                state.latches.get((tier, name), _NEW),
                Evidence.SILENT if seen is None else weigh(seen, threshold),
                threshold,
                now_ms=now.ms,
                cold_start=plan.cold_start,
            )
    blind = {
        name: is_blind(signal, last_usable[name], now_ms=now.ms)
        for name, signal in plan.signals.items()
    }
    tiers = {}
    for tier, thresholds in plan.tiers.items():
        counts = [
            counts_as(latches[tier, name], plan.signals[name], blind=blind[name])
            for name in thresholds
        ]
        last = state.tiers.get(tier)
        allow = admits(counts, last, plan.cold_start)
        unchanged = last is not None and last.allow is allow
        tiers[tier] = last if last is not None and unchanged else TierBit(allow, now.utc)
    return ShieldState(latches, last_usable, tiers)
