"""Encode and decode the latches document, which is stored with every decision.

An evaluator that takes over the lease decodes it. Times are encoded as ages, so that neither a
restart nor another machine's clock changes anything: the time between encoding and decoding does
not count. The document carries the order (epoch, sequence) of its decision, so that a reader can
tell whether it is newer than its own memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct, field
from msgspec.structs import replace

from shield_common.decision import MAX_SAFE_INTEGER, Count, Value
from shield_evaluator.core.holding import HoldingState
from shield_evaluator.core.learned_cost import CostEvidence
from shield_evaluator.core.reservations import Batch
from shield_evaluator.core.room import RoomClosing, RoomState
from shield_evaluator.core.sentences import NO_ROOM
from shield_evaluator.core.state import Latch, LatchState, ShieldState, TierBit

if TYPE_CHECKING:
    from shield_common.decision import Decision
    from shield_evaluator.core.plan import Plan

SCHEMA: Final = 1

Age = Annotated[int, Meta(ge=0, le=MAX_SAFE_INTEGER)]  # milliseconds


class LatchesDocumentError(Exception):
    """The latches document cannot be decoded; `LatchMemory` logs it and keeps its own latches."""


class LatchRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One latch; ages in milliseconds, null for a timer that is not running."""

    state: LatchState
    above_age_ms: Age | None = None
    below_age_ms: Age | None = None


class BatchRecord(Struct, frozen=True, array_like=True):
    """A batch of admitted runs: its age in milliseconds and how many."""

    age_ms: Age
    runs: Count


class ClosingRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whether a tier is closed for lack of room; the age of the lack in milliseconds."""

    short_age_ms: Age | None = None
    closed: bool = False


class CostEvidenceRecord(Struct, frozen=True, kw_only=True):
    """What a signal's samples have shown; see `core.learned_cost.CostEvidence`."""

    value: Value
    age_ms: Age
    run_cost: Count
    measured: Value
    predicted: Value


class RoomRecord(Struct, frozen=True, kw_only=True):
    """Reservations and room; see `core.room.RoomState`."""

    totals: dict[str, int] | None
    batches: dict[str, tuple[BatchRecord, ...]]
    headroom: dict[str, dict[str, float]]
    quotas: dict[str, float]
    closings: dict[str, ClosingRecord]
    cost_evidence: dict[str, CostEvidenceRecord] = {}  # unknown to the version that first had room


class LatchesDocument(Struct, frozen=True, kw_only=True):
    """The document: latches by tier and signal, ages of the last usable observations, bits.

    Parts without times are stored as they are.

    Attributes:
        epoch: the epoch of the decision that it was stored with.
        sequence: the sequence of that decision.
        room: null in a document of a version that knew no room.
        started_age_ms: how far back the memory goes; null in a document of an earlier version.
        holding: the held runs, stored as ``slots``; null in a document of an earlier version, and
            while nothing is held.
    """

    schema: int = SCHEMA
    epoch: Count = 0
    sequence: Count = 0
    latches: dict[str, dict[str, LatchRecord]]
    usable_age_ms: dict[str, Age]
    tiers: dict[str, TierBit]
    room: RoomRecord | None = None
    started_age_ms: Age | None = None
    holding: HoldingState | None = field(default=None, name="slots")


@dataclass(frozen=True, slots=True)
class StoredState:
    """A decoded latches document.

    Attributes:
        state: the state as of the instant of decoding.
        order: epoch and sequence of the decision that it was stored with.
    """

    state: ShieldState
    order: tuple[int, int]


_decoder = msgspec.json.Decoder(LatchesDocument)


def encode(state: ShieldState, *, now_ms: int, order: tuple[int, int]) -> bytes:
    """Encode a state as of an instant.

    Args:
        state: the state.
        now_ms: the instant; not before any time in the state.
        order: epoch and sequence of the decision that it is stored with.
    """
    latches: dict[str, dict[str, LatchRecord]] = {}
    for (tier, signal), latch in state.latches.items():
        latches.setdefault(tier, {})[signal] = LatchRecord(
            state=latch.state,
            above_age_ms=_age_or_time(now_ms, latch.above_since_ms),
            below_age_ms=_age_or_time(now_ms, latch.below_since_ms),
        )
    # Implausible counters are removed from the store in the cycle that finds them.
    holding = replace(state.holding, implausible=())
    document = LatchesDocument(
        epoch=order[0],
        sequence=order[1],
        latches=latches,
        usable_age_ms={name: now_ms - at for name, at in state.last_usable_ms.items()},
        tiers=dict(state.bits),
        room=_encode_room(state.room, now_ms),
        started_age_ms=_age_or_time(now_ms, state.remembered_since_ms),
        holding=None if holding == HoldingState() else holding,
    )
    return msgspec.json.encode(document)


def decode(document: bytes, *, now_ms: int) -> StoredState:
    """Decode a state as of an instant.

    Raises:
        LatchesDocumentError: not a latches document, or one of a higher schema.
    """
    try:
        stored = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise LatchesDocumentError(f"not a latches document: {error}") from error
    if stored.schema > SCHEMA:
        raise LatchesDocumentError(
            f"latches document of schema {stored.schema}, this version knows up to {SCHEMA}"
        )
    latches = {
        (tier, signal): Latch(
            record.state,
            _age_or_time(now_ms, record.above_age_ms),
            _age_or_time(now_ms, record.below_age_ms),
        )
        for tier, records in stored.latches.items()
        for signal, record in records.items()
    }
    state = ShieldState(
        latches=latches,
        last_usable_ms={name: now_ms - age for name, age in stored.usable_age_ms.items()},
        bits=stored.tiers,
        room=_decode_room(stored.room, now_ms),
        remembered_since_ms=_age_or_time(now_ms, stored.started_age_ms),
        holding=stored.holding or HoldingState(),
    )
    return StoredState(state, (stored.epoch, stored.sequence))


def _age_or_time(now_ms: int, ms: int | None) -> int | None:
    """Return the age of a time, or the time of an age; None without one."""
    return None if ms is None else now_ms - ms


def _encode_room(room: RoomState, now_ms: int) -> RoomRecord:
    headroom: dict[str, dict[str, float]] = {}
    for (tier, signal), free in room.headroom.items():
        headroom.setdefault(tier, {})[signal] = free
    return RoomRecord(
        totals=None if room.totals is None else dict(room.totals),
        batches={
            tier: tuple(BatchRecord(now_ms - batch.admitted_ms, batch.runs) for batch in batches)
            for tier, batches in room.batches.items()
        },
        headroom=headroom,
        quotas=dict(room.quotas),
        closings={
            tier: ClosingRecord(
                short_age_ms=_age_or_time(now_ms, closing.short_since_ms), closed=closing.closed
            )
            for tier, closing in room.closings.items()
        },
        cost_evidence={
            signal: CostEvidenceRecord(
                value=evidence.value,
                age_ms=now_ms - evidence.seen_ms,
                run_cost=evidence.run_cost,
                measured=evidence.measured,
                predicted=evidence.predicted,
            )
            for signal, evidence in room.cost_evidence.items()
        },
    )


def _decode_room(record: RoomRecord | None, now_ms: int) -> RoomState:
    if record is None:
        # The counters may have run for long; only what they gain from now on was admitted now.
        return RoomState(totals=None)
    return RoomState(
        totals=record.totals,
        batches={
            tier: tuple(Batch(now_ms - batch.age_ms, batch.runs) for batch in batches)
            for tier, batches in record.batches.items()
        },
        headroom={
            (tier, signal): free
            for tier, by_signal in record.headroom.items()
            for signal, free in by_signal.items()
        },
        quotas=record.quotas,
        closings={
            tier: RoomClosing(_age_or_time(now_ms, closing.short_age_ms), closing.closed)
            for tier, closing in record.closings.items()
        },
        cost_evidence={
            signal: CostEvidence(
                evidence.value,
                now_ms - evidence.age_ms,
                evidence.run_cost,
                evidence.measured,
                evidence.predicted,
            )
            for signal, evidence in record.cost_evidence.items()
        },
    )


def recover(decision: Decision, plan: Plan) -> ShieldState:
    """Return what a decision says about latches whose own document is lost.

    An admitting tier has only latches that are RESET. A denying one has at least the latch that
    its reason names. A tier under an override, or without room, says nothing about its latches.

    Args:
        decision: the last one that was stored.
        plan: the configuration.
    """
    latches: dict[tuple[str, str], Latch] = {}
    bits: dict[str, TierBit] = {}
    for tier, thresholds in plan.tiers.items():
        # A tier that the decision lacks has had the default tier's bit, as admitters give it.
        source = tier if tier in decision.tiers else plan.default_tier
        entry = decision.tiers.get(source)
        if entry is None or (decision.override is not None and decision.override.covers(source)):
            continue
        bits[tier] = TierBit(entry.allow, entry.since)
        if source != tier or entry.reason == NO_ROOM:
            continue
        for signal in thresholds:
            if entry.allow:
                latches[tier, signal] = Latch(LatchState.RESET)
            elif signal == entry.signal:
                latches[tier, signal] = Latch(LatchState.SET)
    # As for a document without room: the counters may have run for long.
    return ShieldState(latches=latches, bits=bits, room=RoomState(totals=None))
