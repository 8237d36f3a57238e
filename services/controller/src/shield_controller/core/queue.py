"""The order in which held runs start.

Theory of operation
===================

Held runs wait in one queue. Its order is the tier's priority, then the namespace that was served
least, then age:

    key of a run = (priority of its tier, served(tier, namespace) + rank, created)

``rank`` counts the older held runs of the same tier and namespace. Sorting by this key gives the
same order as taking runs one after the other and counting each for its namespace, so a namespace
with 500 held runs and one with 2 take turns.

``served`` counts releases. A namespace that had no held run starts with the lowest count of its
tier's namespaces, so it does not catch up on turns from before. A namespace of which no run can
start for now (they are all stuck) is level with the others in the same way: its count neither stays
behind nor holds down the count with which newcomers begin.

How many of them may start now is decided in `shield_common.allowance`.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from shield_common.decision import Decision
    from shield_controller.core.runs import HeldRun

# A tier that the decision does not have comes last: nothing is known about its room.
LAST_PRIORITY: Final = 2**53

TierNamespace = tuple[str, str]


class Served:
    """How many runs each namespace of each tier got started while it had runs waiting."""

    def __init__(self) -> None:
        self._counts: dict[TierNamespace, int] = {}

    def update(
        self, runs: Iterable[HeldRun], *, is_stuck: Callable[[HeldRun], bool] = lambda _run: False
    ) -> None:
        """Forget namespaces without held runs, and let new ones begin level with the others.

        Args:
            runs: held runs in any order.
            is_stuck: whether a run cannot start for now.
        """
        waiting: set[TierNamespace] = set()
        startable: set[TierNamespace] = set()
        for run in runs:
            key = (run.tier, run.namespace)
            waiting.add(key)
            if key not in startable and not is_stuck(run):
                startable.add(key)
        known = {key: count for key, count in self._counts.items() if key in startable}
        least: dict[str, int] = {}
        for (tier, _), count in known.items():
            least[tier] = min(count, least.get(tier, count))
        self._counts = {key: known.get(key, least.get(key[0], 0)) for key in waiting}

    def count(self, run: HeldRun) -> None:
        """Count a release."""
        key = (run.tier, run.namespace)
        self._counts[key] = self._counts.get(key, 0) + 1

    def of(self, tier: str, namespace: str) -> int:
        """Return the count of a namespace."""
        return self._counts.get((tier, namespace), 0)


def in_order(
    runs: Iterable[HeldRun], served: Served, priorities: Mapping[str, int]
) -> list[HeldRun]:
    """Return the runs in the order in which they start.

    Args:
        runs: held runs in any order.
        served: what each namespace got so far.
        priorities: tier -> 0 for the first; tiers that are missing come last.
    """
    ranks: Counter[TierNamespace] = Counter()
    keyed = []
    for run in sorted(runs, key=lambda run: run.age_order):
        key = (run.tier, run.namespace)
        turn = served.of(*key) + ranks[key]
        ranks[key] += 1
        priority = priorities.get(run.tier, LAST_PRIORITY)
        keyed.append(((priority, run.tier, turn, *run.age_order), run))
    return [run for _, run in sorted(keyed, key=lambda item: item[0])]


def priorities_of(decision: Decision | None) -> dict[str, int]:
    """Return the priority of every tier; empty without a decision."""
    if decision is None:
        return {}
    return {name: tier.priority for name, tier in decision.tiers.items()}


def wait_seconds(position: int, per_minute: float) -> float | None:
    """Return how long a run is expected to wait; None if nothing was released for minutes.

    Args:
        position: of the run in its tier, from 1.
        per_minute: the tier's rate of releases.
    """
    return position / per_minute * 60 if per_minute > 0 else None
