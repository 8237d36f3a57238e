"""The sentences of a verdict: why a run is denied or waits, and what its creator is warned about.

What is answered is decided in ``core.verdict`` and ``core.hold``, and put into its form in
``core.response``. The sentences about etcd itself are the evaluator's and come with the decision.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from shield_admitter.core.pacing import runs_per_minute
from shield_admitter.core.verdict import ADMITTED, HELD, OVERRIDE, QUEUE, ROOM, WARNED
from shield_common.text import format_time, format_value

if TYPE_CHECKING:
    from shield_admitter.core.hold import Mutation
    from shield_admitter.core.verdict import Verdict
    from shield_common.decision import TierDecision

# Runs a minute; from here on they round to two.
_TWO_RUNS: Final = 1.5
_MANY_MINUTES: Final = 90  # from here on a wait is written in hours
_HOURS_PER_DAY: Final = 24


def reason_text(verdict: Verdict) -> str:
    """Return why a request is denied, paced or held, or would be in mode ``enforce``."""
    tier_decision = verdict.tier_decision
    if verdict.decision is None:
        return "etcd-shield has no current decision"
    if verdict.reason is QUEUE:
        return _queue_text(verdict)
    if verdict.reason is ROOM:
        return _room_text(runs_per_minute(verdict.decision, verdict.tier))
    if tier_decision is None:
        return "etcd-shield denies every tier that it has no thresholds for"
    return _denying_text(tier_decision)


# Cached, because composing it takes 4 µs of CPU, and it changes only with the decision.
@lru_cache(maxsize=128)
def _denying_text(tier_decision: TierDecision) -> str:
    """Return why a tier denies, since when, and until when."""
    period = [f"denied since {format_time(tier_decision.since)}"]
    if tier_decision.unit == "alert" and tier_decision.signal is not None:
        period.append("until it stops")
    elif tier_decision.reset is not None:
        period.append(f"until below {format_value(tier_decision.reset, tier_decision.unit)}")
    return f"{tier_decision.reason or 'etcd is close to its quota'} ({', '.join(period)})"


def _queue_text(verdict: Verdict) -> str:
    number = 0 if verdict.tier_hold is None else verdict.tier_hold.held
    text = f"{number:,} runs of this tier wait and start first"
    if number == 1:
        text = "1 run of this tier waits and starts first"
    return text if verdict.outcome is HELD else f"{text}, and no more can be held"


def _wait_text(seconds: float) -> str:
    """Return a rough time to wait, such as ``in about 6 minutes``."""
    minutes = round(seconds / 60)
    if minutes <= 1:
        return "in about a minute"
    if minutes < _MANY_MINUTES:
        return f"in about {minutes} minutes"
    hours = round(minutes / 60)
    return "in more than a day" if hours > _HOURS_PER_DAY else f"in about {hours} hours"


def _room_text(per_minute: float) -> str:
    if per_minute < 1:
        return "etcd has room for less than one more run a minute; yours may start then"
    runs = "one more run" if per_minute < _TWO_RUNS else f"about {per_minute:.0f} more runs"
    return f"etcd has room for {runs} a minute; yours may start then"


def warning_text(verdict: Verdict) -> str | None:
    """Return what the creator of an admitted run is warned about; None for no warning."""
    if verdict.outcome is WARNED:
        return f"etcd-shield would deny this: {reason_text(verdict)}"
    if verdict.outcome is ADMITTED and verdict.tier_decision is not None:
        return verdict.tier_decision.warning
    return None


def held_warning_text(mutation: Mutation, verdict: Verdict) -> str:
    """Return the warning to the creator of a held run: its number in the queue, and the wait.

    Both are of the tier in whose queue the run waits, which a label can name. While an override
    denies, no run is released: the rate of earlier releases says nothing then.
    """
    hold = mutation.queue_hold
    is_overridden = verdict.reason is OVERRIDE
    condition = "an operator's override has ended and " if is_overridden else ""
    text = f"held, number {mutation.position:,}, starts when {condition}etcd has room"
    if is_overridden or hold is None or hold.wait_seconds is None:
        return f"{text} (etcd-shield)"
    return f"{text}, {_wait_text(hold.wait_seconds)} (etcd-shield)"
