"""The configured signals, thresholds and tiers, validated.

A plan is immutable and complete: every default is filled in, every name resolves, times are whole
milliseconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from shield_common.decision import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Mapping

# etcd exports its quota under this name, one series per member.
DEFAULT_QUOTA: Final = "etcd_server_quota_backend_bytes"

# The signals of the default configuration: size of etcd's file, and what of it holds data.
FILE_SIGNAL: Final = "db-file"
IN_USE_SIGNAL: Final = "db-in-use"

# An object of a run has at least a KiB; a run that adds a GiB would fill the largest etcd alone.
MIN_RUN_COST: Final = 1024
MAX_RUN_COST: Final = 1024**3
MIN_REOPEN: Final = 2  # runs; a tier closes at less than one

HORIZON_SECONDS: Final = 30 * 24 * 3600.0  # a forecast beyond a month means nothing


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
class RoomPlan:
    """How the room of one tier is computed from one signal; see `core.room`.

    Attributes:
        target: the value that admitted runs may fill etcd up to; a ratio of the quota.
        run_cost: bytes by which one admitted run makes etcd grow at its peak.
        lag_ms: how long nothing of a new run can be in a sample, milliseconds.
        grows_over_ms: over how long a run writes, milliseconds.
        spend_ms: over how long the room is handed out, milliseconds.
        reopen: room in runs at which a closed tier opens again; None for the default.

    Raises:
        ValueError: a number that no etcd and no run can have.
    """

    target: float
    run_cost: int
    lag_ms: int
    grows_over_ms: int
    spend_ms: int
    reopen: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.target <= 1:
            raise ValueError(f"target ({self.target:g}) must be above 0 and at most 1")
        if not MIN_RUN_COST <= self.run_cost <= MAX_RUN_COST:
            raise ValueError("run_cost must be from 1Ki to 1Gi: bytes that one run adds to etcd")
        if self.lag_ms < 0:
            raise ValueError("lag must not be negative")
        if self.grows_over_ms <= 0 or self.spend_ms <= 0:
            raise ValueError("grows_over and spend must be above 0s")
        if self.reopen is not None and self.reopen < MIN_REOPEN:
            raise ValueError(f"reopen must be at least {MIN_REOPEN} runs, or the tier would flap")


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
        room: how the tier's room follows from this signal; None if it does not depend on it.
        full: at or above it, runs are denied and no longer held; None sets no such bound.

    Raises:
        ValueError: the bounds contradict each other.
    """

    set: float
    reset: float
    warn: float | None = None
    set_for_ms: int = 0
    reset_for_ms: int = 0
    room: RoomPlan | None = None
    full: float | None = None

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
        if self.full is not None and not self.set <= self.full <= MAX_VALUE:
            raise ValueError(f"full ({self.full:g}) must not be below set ({self.set:g})")
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
        applies_learned_cost: whether a run cost is corrected by what the signal shows; see
            `core.learned_cost`.
    """

    members: int | None
    blind_after_ms: int
    on_blind: OnBlind
    unit: Unit
    quota: int | str | None = None
    applies_learned_cost: bool = True


@dataclass(frozen=True)  # without slots, because what follows from the fields is kept
class Plan:
    """All signals and tiers.

    Attributes:
        signals: by name.
        tiers: tier -> signal -> threshold; every tier has at least one threshold.
        default_tier: the tier whose bit is the decision's plain allow bit.
        cold_start: state of latches that have no history.
        cold_start_delay_ms: how long an evaluator without any memory waits before ``cold_start``
            admits, milliseconds; until then an earlier decision may be in force.
        max_held: how many runs may be held, of all tiers together; None holds none.
    """

    signals: Mapping[str, SignalPlan]
    tiers: Mapping[str, Mapping[str, Threshold]]
    default_tier: str
    cold_start: ColdStart = ColdStart.RESET
    cold_start_delay_ms: int = 0
    max_held: int | None = None

    @cached_property
    def room_plans(self) -> Mapping[str, Mapping[str, RoomPlan]]:
        """Tier -> signal -> the tier's room plan; without signals that have none."""
        return {
            tier: {
                signal: threshold.room
                for signal, threshold in thresholds.items()
                if threshold.room is not None
            }
            for tier, thresholds in self.tiers.items()
        }

    @cached_property
    def effective_room_plans(self) -> Mapping[str, Mapping[str, RoomPlan]]:
        """Signal -> tier -> the room plan by which the tier's runs count on that signal.

        A tier without a room plan on the signal has that of the first tier with one. A signal on
        which no tier has one is left out.
        """
        plans = {}
        for signal in self.signals:
            by_tier = {
                tier: by_signal[signal]
                for tier, by_signal in self.room_plans.items()
                if signal in by_signal
            }
            if by_tier:
                default = next(iter(by_tier.values()))
                plans[signal] = {tier: by_tier.get(tier, default) for tier in self.tiers}
        return plans

    @property
    def has_room(self) -> bool:
        """Whether any tier has a run cost, so that room is computed."""
        return any(self.room_plans.values())
