"""Counters for the request path: plain integers, which a scrape turns into series.

prometheus_client takes a lock and several calls for each bucket and counter. With it a review of
19 KB cost 12 µs more, 7 % of all that an admitter does for it (docs/adr/0080). No locks are needed
here: everything that counts runs on the event loop's thread, and so does the scrape.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric


class CounterTally(Collector):
    """A counter with labels. A series exists from `create` or its first count on."""

    def __init__(self, name: str, help_text: str, labels: Sequence[str]) -> None:
        self._name = name
        self._help_text = help_text
        self._labels = tuple(labels)
        self._counts: dict[tuple[str, ...], int] = {}

    def create(self, *values: str) -> None:
        """Create a series."""
        self._counts.setdefault(values, 0)

    def count(self, *values: str) -> None:
        """Add one."""
        self._counts[values] = self._counts.get(values, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """Yield the series for a scrape."""
        family = CounterMetricFamily(self._name, self._help_text, labels=self._labels)
        for values, count in self._counts.items():
            family.add_metric([str(value) for value in values], count)
        yield family


class HistogramTally(Collector):
    """A histogram without labels.

    Args:
        bounds: upper bounds of the buckets, ascending, without the last one, +Inf.
    """

    def __init__(self, name: str, help_text: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._help_text = help_text
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value into the first bucket whose bound is not below it."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def collect(self) -> Iterator[Metric]:
        """Yield the series for a scrape."""
        buckets = []
        total = 0
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), float(total)))
        yield HistogramMetricFamily(
            self._name, self._help_text, buckets=buckets, sum_value=self._sum
        )
