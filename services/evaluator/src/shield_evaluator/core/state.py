"""What the evaluator remembers from one cycle to the next: latches, bits, room and held runs.

Only types belong here. What moves a latch or a bit is in `core.latch`, and each of the other parts
is in the module of its name.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, field

from shield_common.decision import WireTime
from shield_evaluator.core.holding import HoldingState
from shield_evaluator.core.room import RoomState


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
        differing_latches_allow: whether the latches alone admit, stored as ``latched``: True while
            the tier denies only for lack of room, None while they say the same as the bit.
    """

    allow: bool
    since: WireTime
    differing_latches_allow: bool | None = field(default=None, name="latched")

    @property
    def latches_allow(self) -> bool:
        """Whether the latches alone admit, however little room there is."""
        differing = self.differing_latches_allow
        return self.allow if differing is None else differing


class ShieldState(Struct, frozen=True):
    """Everything that the evaluator remembers from one cycle to the next.

    Attributes:
        latches: by tier and signal.
        last_usable_ms: by signal, the time of its last usable observation; without one, the time
            at which it was first observed.
        bits: by tier.
        room: reservations and room (`core.room`).
        remembered_since_ms: the time of the first cycle that the memory goes back to, of this
            process or one before it; None before any cycle.
        holding: held runs, and how many more there may be (`core.holding`).
    """

    latches: Mapping[tuple[str, str], Latch] = field(default_factory=dict)
    last_usable_ms: Mapping[str, int] = field(default_factory=dict)
    bits: Mapping[str, TierBit] = field(default_factory=dict)
    room: RoomState = field(default_factory=RoomState)
    remembered_since_ms: int | None = None
    holding: HoldingState = field(default_factory=HoldingState)
