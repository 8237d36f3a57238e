"""The settings of one signal in one tier: its thresholds, and the room that follows from it."""

from __future__ import annotations

from typing import Final

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, Size
from shield_evaluator.core.plan import RoomPlan, Threshold, Unit

ALERT_SET: Final = 1.0  # an alert signal reads 1 or 0
ALERT_RESET: Final = 0.5
# Room (core.room). Latches are the last line of defence: room ends before they are set.
TARGET_BELOW_SET: Final = 0.02
DEFAULT_LAG: Final = Duration(30)  # Prometheus' usual scrape interval
DEFAULT_GROWS_OVER: Final = Duration(900)  # Konflux runs write for 5 to 20 minutes
DEFAULT_SPEND: Final = Duration(60)  # long against the lag of counting, short against a run
ROOM_KEYS: Final = ("target", "lag", "grows_over", "spend", "reopen")


class ThresholdSettings(SettingsStruct, frozen=True, kw_only=True):
    """When a signal denies a tier; see `core.plan.Threshold`.

    An ``alert:`` signal reads 1 or 0 and needs neither ``set`` nor ``reset``.

    Attributes:
        set: at or above, the tier denies.
        reset: below, it admits again; always lower than ``set``.
        warn: at or above, requests are admitted with a warning.
        set_for: how long the value must stay at or above ``set``.
        reset_for: how long it must stay below ``reset``.
        run_cost: bytes that one admitted run adds to etcd at its peak, revisions included
            (``4Mi``); `shield-evaluator calibrate` finds it. Without it, no room is computed.
        target: value up to which admitted runs may fill etcd; 0.02 below ``set`` unless given.
        lag: how long nothing of a new run can be in a sample: scrape interval plus interval; 30s
            unless given.
        grows_over: over how long a run writes; 15m unless given.
        spend: over how long the room that is left is handed out; 1m unless given.
        reopen: room in runs at which a tier opens that was closed for lack of room; 1% of what fits
            below ``target``, at least 2, unless given.
        full: at or above, runs are denied even where they would be held; half way from ``set`` to 1
            unless given. A signal with ``unit: number`` has none unless given.
    """

    set: float | None = None
    reset: float | None = None
    warn: float | None = None
    set_for: Duration = Duration(0)
    reset_for: Duration = Duration(0)
    run_cost: Size | None = None
    target: float | None = None
    lag: Duration | None = None
    grows_over: Duration | None = None
    spend: Duration | None = None
    reopen: int | None = None
    full: float | None = None

    def __post_init__(self) -> None:
        """Check what the core checks, and that room settings come with a run cost."""
        if (self.set is None) != (self.reset is None):
            raise ValueError("set and reset go together")
        room = {name: getattr(self, name) for name in ROOM_KEYS}
        if self.run_cost is None and any(value is not None for value in room.values()):
            given = next(name for name, value in room.items() if value is not None)
            raise ValueError(f"{given}: needs run_cost, without which room is not computed")
        self.threshold()

    def threshold(self, unit: Unit = Unit.RATIO) -> Threshold:
        """Return it as the core wants it.

        Args:
            unit: of the signal.
        """
        full = self.full
        if full is None and unit is Unit.RATIO and self.set is not None:
            full = (self.set + max(self.set, 1.0)) / 2
        return Threshold(
            set=ALERT_SET if self.set is None else self.set,
            reset=ALERT_RESET if self.reset is None else self.reset,
            warn=self.warn,
            set_for_ms=self.set_for.milliseconds,
            reset_for_ms=self.reset_for.milliseconds,
            room=self._room_plan(),
            full=full,
        )

    def _room_plan(self) -> RoomPlan | None:
        if self.run_cost is None:
            return None
        if self.set is None:
            raise ValueError("run_cost: an alert says nothing about room")
        target = self.set - TARGET_BELOW_SET if self.target is None else self.target
        if self.target is None and not 0 < target <= 1:
            raise ValueError(
                f"set ({self.set:g}): run_cost needs a target, by default {TARGET_BELOW_SET:g} "
                "below set, that is above 0 and at most 1"
            )
        if target >= self.set:
            raise ValueError(f"target ({target:g}) must be below set ({self.set:g})")
        return RoomPlan(
            target=target,
            run_cost=int(self.run_cost),  # a plain number, which a decision can carry
            lag_ms=(DEFAULT_LAG if self.lag is None else self.lag).milliseconds,
            grows_over_ms=(
                DEFAULT_GROWS_OVER if self.grows_over is None else self.grows_over
            ).milliseconds,
            spend_ms=(DEFAULT_SPEND if self.spend is None else self.spend).milliseconds,
            reopen=self.reopen,
        )
