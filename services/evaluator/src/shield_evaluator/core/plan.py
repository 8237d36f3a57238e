"""What the evaluator is asked to watch: signals, thresholds and tiers, checked.

A plan is immutable and complete: every default has been filled in, every name resolves, times are
whole milliseconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shield_common.decision import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping


class OnBlind(enum.StrEnum):
    """What a signal makes of its tiers once it is blind."""

    HOLD = "hold"
    DENY = "deny"
    ALLOW = "allow"


class ColdStart(enum.StrEnum):
    """What a latch without history becomes when the first value lies between its thresholds."""

    RESET = "reset"
    SET = "set"


class Unit(enum.StrEnum):
    """How a signal's value reads."""

    RATIO = "ratio"
    NUMBER = "number"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Threshold:
    """When one signal denies one tier, and when it admits it again.

    Attributes:
        set: at or above, the latch is set.
        reset: below, the latch is reset; always lower than ``set``, so J and K are never both 1.
        warn: at or above, requests are warned; changes no state.
        set_for_ms: how long the value must stay at or above ``set``, milliseconds.
        reset_for_ms: how long it must stay below ``reset``, milliseconds.

    Raises:
        ValueError: the bounds contradict each other.
    """

    set: float
    reset: float
    warn: float | None = None
    set_for_ms: int = 0
    reset_for_ms: int = 0

    def __post_init__(self) -> None:
        bounds = [self.set, self.reset, *([] if self.warn is None else [self.warn])]
        if not all(0 <= bound <= MAX_VALUE for bound in bounds):
            raise ValueError(f"set, reset and warn must be numbers from 0 to {MAX_VALUE:g}")
        if not self.reset < self.set:
            raise ValueError(f"reset ({self.reset:g}) must be below set ({self.set:g})")
        if self.reset == 0:
            raise ValueError(
                "reset must be above 0: no value is below 0, so the latch would stay set for ever"
            )
        if self.warn is not None and self.warn > self.set:
            raise ValueError(f"warn ({self.warn:g}) must not be above set ({self.set:g})")
        if self.set_for_ms < 0 or self.reset_for_ms < 0:
            raise ValueError("set_for and reset_for must not be negative")


@dataclass(frozen=True, slots=True)
class SignalPlan:
    """How one signal is judged.

    Attributes:
        members: how many etcd members should answer; None if that is not known.
        blind_after_ms: without a usable observation for this long the signal is blind.
        on_blind: what a blind signal makes of its tiers.
        unit: how its value reads.
    """

    members: int | None
    blind_after_ms: int
    on_blind: OnBlind
    unit: Unit


@dataclass(frozen=True, slots=True)
class Plan:
    """All signals and tiers.

    Attributes:
        signals: by name.
        tiers: tier -> signal -> threshold; every tier has at least one.
        default_tier: whose bit is the allow bit.
        cold_start: for latches that have no history.
    """

    signals: Mapping[str, SignalPlan]
    tiers: Mapping[str, Mapping[str, Threshold]]
    default_tier: str
    cold_start: ColdStart = ColdStart.RESET
