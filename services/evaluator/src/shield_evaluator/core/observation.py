"""Reduce a query's samples to one observation.

An observation is the worst member's value. It is *usable* if at least one sample is a finite,
non-negative number that a decision document can carry. It is *partial* if some member's value may
be missing: the maximum over a subset is only a lower bound, so it may set a latch but never reset
it. More members than expected are partial as well: when the fullest etcd of two stops answering,
the rest would look complete.

Samples, observations and latches are msgspec structs because a backtest creates millions of them,
and creating a frozen dataclass takes several times as long.
"""

from __future__ import annotations

import enum
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_common.decision import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shield_evaluator.core.plan import Threshold

# An etcd cluster has three to seven members. A query that returns thousands of series measures
# something else, and its maximum must not decide anything.
MAX_SAMPLES: Final = 10_000
NO_SAMPLES: Final = "no samples: docs/metrics-sources.md says which metrics there are, and where"


class Sample(Struct, frozen=True, gc=False):
    """One member's value as Prometheus returned it.

    Attributes:
        member: the member's name, for display.
        value: any float, NaN and infinities included.
    """

    member: str
    value: float


class Observation(Struct, frozen=True):
    """A signal's value at one time.

    Attributes:
        value: the worst member's value; None when unusable.
        member: the name of that member; None when unusable.
        member_count: number of distinct members with a usable sample.
        partial: some member's value may be missing.
        problem: a sentence on why it is unusable or partial; None if it is neither.
        samples: the usable samples, for metrics and the status page.
    """

    value: float | None
    member: str | None = None
    member_count: int = 0
    partial: bool = False
    problem: str | None = None
    samples: tuple[Sample, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether there is a value."""
        return self.value is not None


class Comparison(enum.Enum):
    """The result of comparing an observation with a threshold."""

    ABOVE = enum.auto()  # usable, value >= set; a maximum over some members proves this as well
    BETWEEN = enum.auto()  # usable, complete, reset <= value < set
    BELOW = enum.auto()  # usable, complete, value < reset
    UNPROVEN = enum.auto()  # unusable, or partial and below set


def unusable(problem: str) -> Observation:
    """Return the observation of a query that failed."""
    return Observation(value=None, problem=problem)


def is_usable(value: float) -> bool:
    """Return whether a sample's value can be a member's: finite and not negative.

    NaN fails both comparisons. Infinity and larger values are the result of a broken query.
    """
    return 0 <= value <= MAX_VALUE


def observe(
    samples: Sequence[Sample], *, expected_members: int | None = None, warnings: Sequence[str] = ()
) -> Observation:
    """Reduce a query's samples to an observation.

    Args:
        samples: the query's result.
        expected_members: the number of members that should answer; None if it is not configured.
        warnings: remarks of Prometheus or Thanos on the completeness of the result.
    """
    if len(samples) > MAX_SAMPLES:
        return unusable(f"{len(samples)} samples, at most {MAX_SAMPLES} make sense")
    valid = tuple(sample for sample in samples if is_usable(sample.value))
    if not valid:
        return unusable(NO_SAMPLES if not samples else "no finite, non-negative sample")
    worst = max(valid, key=attrgetter("value"))
    member_count = len({sample.member for sample in valid})
    discarded = len(samples) - len(valid)
    problem = _incompleteness(member_count, expected_members, discarded, warnings)
    return Observation(
        value=worst.value,
        member=worst.member,
        member_count=member_count,
        partial=problem is not None,
        problem=problem,
        samples=valid,
    )


def _incompleteness(
    member_count: int, expected: int | None, discarded: int, warnings: Sequence[str]
) -> str | None:
    if expected is not None and member_count < expected:
        return f"{member_count} of {expected} members answered"
    if expected is not None and member_count > expected:
        return (
            f"{member_count} members answered, but members is {expected}: the query selects more"
            " than one etcd, or one etcd twice; narrow it, for example by job, namespace or cluster"
        )
    if discarded:
        return f"{discarded} samples are not finite, non-negative numbers"
    if warnings:
        return f"Prometheus warned: {warnings[0]}"
    return None


def compare(observation: Observation | None, threshold: Threshold) -> Comparison:
    """Compare an observation, which may be missing, with a threshold."""
    if observation is None or observation.value is None:
        return Comparison.UNPROVEN
    if observation.value >= threshold.set:
        return Comparison.ABOVE
    if observation.partial:
        return Comparison.UNPROVEN
    return Comparison.BELOW if observation.value < threshold.reset else Comparison.BETWEEN
