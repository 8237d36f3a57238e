"""The sentences of a decision: why a tier denies, and what a request is warned about.

What a tier does is decided in ``core.latch`` and ``core.decide``. Nothing here decides; it explains
a result in words that an operator can act on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shield_common.decision import MAX_TEXT
from shield_common.text import format_time, format_value, truncate
from shield_evaluator.core.plan import FILE_SIGNAL, IN_USE_SIGNAL, ColdStart, OnBlind, Unit
from shield_evaluator.core.state import LatchState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shield_common.decision import Override
    from shield_evaluator.core.plan import Plan, Threshold

# The API server truncates admission warnings (KEP 1693: 256 characters each, 4096 in all), and
# kubectl shows each on one line.
MAX_WARNING: Final = 120

# Sentences for the two default signals; any other signal is called by its name.
_SUBJECTS: Final = {
    FILE_SIGNAL: "etcd is at {value} of its quota",
    IN_USE_SIGNAL: "etcd's live data is at {value} of its quota",
}

# Why a tier denies although no latch is set.
NO_ROOM: Final = "etcd has no room for further runs until admitted ones have finished"


@dataclass(frozen=True, slots=True)
class SignalInTier:
    """One signal of a tier, as the tier's sentences need it.

    Attributes:
        name: the signal.
        threshold: its threshold in the tier.
        unit: of value and threshold.
        value: the worst member's value; None when unusable.
        state: the state with which it counts in the tier.
        blind: whether it is blind.
        partial: whether some member's value may be missing.
    """

    name: str
    threshold: Threshold
    unit: Unit
    value: float | None
    state: LatchState
    blind: bool
    partial: bool

    @property
    def nearness(self) -> float:
        """The value as a share of ``set``; -1 without a value, so that such a signal is last."""
        return -1.0 if self.value is None else self.value / self.threshold.set


def describe_value(name: str, value: float, unit: Unit) -> str:
    """Return a sentence with a signal's value.

    Args:
        name: the signal.
        value: in the unit.
        unit: of the signal.
    """
    if unit is Unit.ALERT:
        return f"alert {name} is firing" if value >= 1 else f"alert {name} is not firing"
    text = f"{value * 100:.1f}%" if unit is Unit.RATIO else format_value(value, unit)
    return _SUBJECTS.get(name, "signal " + name + " is at {value}").format(value=text)


def denial_reason(signal: SignalInTier, plan: Plan) -> str:
    """Return why a tier denies because of one of its signals."""
    if signal.value is None:
        if signal.blind and plan.signals[signal.name].on_blind is OnBlind.DENY:
            return f"etcd's usage is unknown: signal {signal.name} is blind"
        return f"{signal.name} reached its set threshold and gives no value now"
    sentence = describe_value(signal.name, signal.value, signal.unit)
    if signal.value >= signal.threshold.reset:
        return sentence
    cause = "not every member answers" if signal.partial else "not for long enough yet"
    return f"{sentence}, but {cause}"


def unknown_usage_reason(plan: Plan, signals: Sequence[SignalInTier]) -> str:
    """Return why a tier denies although no latch is set: a signal's usage is not known yet."""
    waiting = ", ".join(signal.name for signal in signals if signal.state is LatchState.UNKNOWN)
    why = "cold start" if plan.cold_start is ColdStart.SET else "still denying"
    return truncate(
        f"etcd's usage is not known yet ({why}): waiting for signal {waiting}", MAX_TEXT
    )


def usage_warning(tier: str, signals: Sequence[SignalInTier]) -> str | None:
    """Return what a request in the ``warn`` band is warned about; None outside of it."""
    warning = [
        signal
        for signal in signals
        if signal.value is not None
        and signal.threshold.warn is not None
        and signal.value >= signal.threshold.warn
    ]
    if not warning:
        return None
    nearest = max(warning, key=lambda signal: signal.nearness)
    usage = describe_value(nearest.name, nearest.value or 0.0, nearest.unit)
    limit = format_value(nearest.threshold.set, nearest.unit)
    return truncate(f"{usage}; {tier} runs are denied from {limit}", MAX_WARNING)


def override_reason(override: Override) -> str:
    """Return why an override denies."""
    return truncate(f"denied by an operator {_until(override)}: {override.reason}", MAX_TEXT)


def override_warning(override: Override) -> str:
    """Return what a request is warned about that only an override admits."""
    return truncate(
        f"etcd-shield would deny this, but is overridden {_until(override)}: {override.reason}",
        MAX_WARNING,
    )


def _until(override: Override) -> str:
    return f"until {format_time(override.until)}"
