"""The configured signals, thresholds and tiers, validated.

A plan is immutable and complete: every default is filled in, every name resolves, times are whole
milliseconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_common.decision import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

# etcd exports its quota under this name, one series per member.
DEFAULT_QUOTA: Final = "etcd_server_quota_backend_bytes"


class OnBlind(enum.StrEnum):
    """Effect of a blind signal on its tiers."""

    HOLD = "hold"
    DENY = "deny"
    ALLOW = "allow"


class ColdStart(enum.StrEnum):
    """State of a latch without history whose first value lies between reset and set."""

    RESET = "reset"
    SET = "set"


class Unit(enum.StrEnum):
    """Unit of a signal's values."""

    RATIO = "ratio"
    NUMBER = "number"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Bounds at which one signal denies one tier and admits it again.

    Attributes:
        set: a value at or above it sets the latch.
        reset: a value below it resets the latch; always lower than ``set``, so J and K are never
            both 1.
        warn: at or above it, requests are admitted with a warning; changes no state.
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
    """One configured signal.

    Attributes:
        members: expected number of etcd members; None if it is not configured.
        blind_after_ms: a signal without a usable observation for this long is blind.
        on_blind: effect of a blind signal on its tiers.
        unit: unit of its values.
        quota: etcd's quota, as a number of bytes or as PromQL that gives bytes; None if the query
            already gives a share of it.
    """

    members: int | None
    blind_after_ms: int
    on_blind: OnBlind
    unit: Unit
    quota: int | str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All signals and tiers.

    Attributes:
        signals: by name.
        tiers: tier -> signal -> threshold; every tier has at least one threshold.
        default_tier: the tier whose bit is the decision's plain allow bit.
        cold_start: state of latches that have no history.
    """

    signals: Mapping[str, SignalPlan]
    tiers: Mapping[str, Mapping[str, Threshold]]
    default_tier: str
    cold_start: ColdStart = ColdStart.RESET
