"""From a query's samples to one observation.

An observation is the worst member's value. It is *usable* if at least one sample is a finite,
non-negative number that a decision document can carry, and *partial* if some member's value is
missing: the maximum over a subset is only a lower bound of the truth.

Samples, observations and latches are msgspec structs, because a backtest makes millions of them and
a frozen dataclass takes several times as long to make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_common.decision import MAX_VALUE

if TYPE_CHECKING:
    from collections.abc import Sequence

# etcd clusters have three to seven members; a query that returns thousands of series measures
# something else, and its maximum must not decide.
MAX_SAMPLES: Final = 10_000


class Sample(Struct, frozen=True, gc=False):
    """One member's value as Prometheus returned it.

    Attributes:
        member: which member, for people.
        value: may be anything that a float can be.
    """

    member: str
    value: float


class Observation(Struct, frozen=True):
    """A signal's value at one time.

    Attributes:
        value: the worst member's value; None when unusable.
        member: which member that was; None when unusable.
        members: how many distinct members gave a usable sample.
        partial: some member's value is missing.
        problem: why it is unusable or partial, in words; None if it is neither.
        samples: the usable samples, for metrics and the status page.
    """

    value: float | None
    member: str | None = None
    members: int = 0
    partial: bool = False
    problem: str | None = None
    samples: tuple[Sample, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether the observation says anything about etcd."""
        return self.value is not None


def unusable(problem: str) -> Observation:
    """Return the observation of a query that failed."""
    return Observation(value=None, problem=problem)


def observe(
    samples: Sequence[Sample], *, expected_members: int | None = None, warnings: Sequence[str] = ()
) -> Observation:
    """Reduce a query's samples to an observation.

    Args:
        samples: what the query returned.
        expected_members: how many members should answer; None if that is not known.
        warnings: what Prometheus or Thanos said about the answer's completeness.
    """
    if len(samples) > MAX_SAMPLES:
        return unusable(f"{len(samples)} samples, at most {MAX_SAMPLES} make sense")
    # NaN is in no range. Infinity and what no document can carry are a broken query's.
    good = tuple([s for s in samples if 0 <= s.value <= MAX_VALUE])
    if not good:
        return unusable("no samples" if not samples else "no finite, non-negative sample")
    worst = good[0]
    for sample in good:
        if sample.value > worst.value:
            worst = sample
    members = len({sample.member for sample in good})
    problem = _incompleteness(members, expected_members, len(samples) - len(good), warnings)
    return Observation(
        value=worst.value,
        member=worst.member,
        members=members,
        partial=problem is not None,
        problem=problem,
        samples=good,
    )


def _incompleteness(
    members: int, expected: int | None, discarded: int, warnings: Sequence[str]
) -> str | None:
    if expected is not None and members < expected:
        return f"{members} of {expected} members answered"
    if discarded:
        return f"{discarded} samples are not finite, non-negative numbers"
    if warnings:
        return f"Prometheus warned: {warnings[0]}"
    return None
