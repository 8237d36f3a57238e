"""The shield's state as the latches document: written beside every decision, read at a takeover.

Times are written as ages, so that neither a restart nor another machine's clock moves anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
from msgspec import Meta, Struct

from shield_evaluator.core.latch import Latch, LatchState, ShieldState, TierBit

if TYPE_CHECKING:
    from shield_evaluator.core.plan import Plan

SCHEMA: Final = 1

Age = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class StateError(Exception):
    """The latches document cannot be read; the evaluator logs it and starts cold."""


class LatchRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One latch; ages in milliseconds, null for a timer that does not run."""

    state: LatchState
    above_age_ms: Age | None = None
    below_age_ms: Age | None = None


class TierRecord(Struct, frozen=True, kw_only=True):
    """One tier's bit and when it changed."""

    allow: bool
    since: Annotated[datetime, Meta(tz=True)]


class LatchesDocument(Struct, frozen=True, kw_only=True):
    """The document: latches by tier and signal, ages of the last usable observations, bits."""

    schema: int = SCHEMA
    latches: dict[str, dict[str, LatchRecord]]
    usable_age_ms: dict[str, Age]
    tiers: dict[str, TierRecord]


_decoder = msgspec.json.Decoder(LatchesDocument)


def write(state: ShieldState, *, now_ms: int) -> bytes:
    """Write a state as it is at an instant."""
    latches: dict[str, dict[str, LatchRecord]] = {}
    for (tier, signal), latch in state.latches.items():
        latches.setdefault(tier, {})[signal] = LatchRecord(
            state=latch.state,
            above_age_ms=None if latch.above_since_ms is None else now_ms - latch.above_since_ms,
            below_age_ms=None if latch.below_since_ms is None else now_ms - latch.below_since_ms,
        )
    document = LatchesDocument(
        latches=latches,
        usable_age_ms={name: now_ms - at for name, at in state.last_usable_ms.items()},
        tiers={
            name: TierRecord(allow=bit.allow, since=bit.since) for name, bit in state.tiers.items()
        },
    )
    return msgspec.json.encode(document)


def read(document: bytes, *, now_ms: int) -> ShieldState:
    """Read a state back at an instant.

    Raises:
        StateError: not a latches document, or of a higher schema.
    """
    try:
        stored = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"not a latches document: {error}") from error
    if stored.schema > SCHEMA:
        raise StateError(
            f"latches document of schema {stored.schema}, this version knows up to {SCHEMA}"
        )
    latches = {
        (tier, signal): Latch(
            record.state,
            None if record.above_age_ms is None else now_ms - record.above_age_ms,
            None if record.below_age_ms is None else now_ms - record.below_age_ms,
        )
        for tier, records in stored.latches.items()
        for signal, record in records.items()
    }
    return ShieldState(
        latches=latches,
        last_usable_ms={name: now_ms - age for name, age in stored.usable_age_ms.items()},
        tiers={name: TierBit(record.allow, record.since) for name, record in stored.tiers.items()},
    )


def dropped(state: ShieldState, plan: Plan) -> list[tuple[str, str]]:
    """Name the latches, as (tier, signal), that a plan no longer has; `advance` drops them."""
    return sorted(
        key for key in state.latches if key[0] not in plan.tiers or key[1] not in plan.tiers[key[0]]
    )
