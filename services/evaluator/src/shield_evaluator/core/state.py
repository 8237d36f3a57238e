"""What the evaluator remembers from one cycle to the next: latches, bits, room and slots.

Only types belong here. What moves a latch or a bit is in `core.latch`, and each of the other parts
is in the module of its name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from shield_common.decision import Moment
from shield_evaluator.core.room import RoomState
from shield_evaluator.core.slots import SlotsState


class LatchState(enum.StrEnum):
    """The three states of a latch."""

    UNKNOWN = "unknown"
    RESET = "reset"
    SET = "set"


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
    """One tier's bit; stored as it is.

    Attributes:
        allow: whether the tier admits.
        since: when the bit last changed, for display.
        latched: the bit of the latches alone: True while the tier denies only for lack of room,
            None while both bits are the same.
    """

    allow: bool
    since: Moment
    latched: bool | None = None

    @property
    def by_latches(self) -> bool:
        """Whether the latches alone admit, however little room there is."""
        return self.allow if self.latched is None else self.latched


class ShieldState(Struct, frozen=True):
    """Everything that the evaluator remembers from one cycle to the next.

    Attributes:
        latches: by tier and signal.
        last_usable_ms: by signal, the time of its last usable observation; without one, the time
            at which it was first observed.
        tiers: the bits, by tier.
        room: reservations and room (`core.room`).
        started_ms: the time of the first cycle that the memory goes back to; None before it.
        slots: held runs, and how many more there may be (`core.slots`).
    """

    latches: Mapping[tuple[str, str], Latch] = field(default_factory=dict)
    last_usable_ms: Mapping[str, int] = field(default_factory=dict)
    tiers: Mapping[str, TierBit] = field(default_factory=dict)
    room: RoomState = field(default_factory=RoomState)
    started_ms: int | None = None
    slots: SlotsState = field(default_factory=SlotsState)
