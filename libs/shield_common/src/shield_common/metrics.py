"""Factories of Prometheus metrics, and the series that all services have.

Every series exists from the start: an alert on an increase misses the first one of a series that
appears with it. So the values of a label are given with the metric where they are known. What the
services measure belongs to their own metrics modules.
"""

from __future__ import annotations

from importlib.metadata import version
from itertools import product
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from shield_common import logs
from shield_common.config.reload import RELOAD_RESULTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

PREFIX: Final = "etcd_shield_"
_NO_LABELS: Final[Mapping[str, Iterable[str]]] = MappingProxyType({})


class ServiceMetrics:
    """A service's registry, its metric factories, and the series that every service has.

    Labels are given as label name -> known values; each combination of them exists at once. A label
    without known values (``()``) begins without series.

    Attributes:
        registry: of this service alone, with the process' own metrics.
        config_reloads: reloads of the settings file, by result.
        task_crashes: crashes of background tasks, by task.
    """

    def __init__(self, distribution: str) -> None:
        """Register the common series.

        Args:
            distribution: the service's, for example ``shield-admitter``; its version is shown.
        """
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.registry.register(_DroppedLogLines())
        self.config_reloads = self.counter(
            "config_reloads", "Configuration reloads.", {"result": RELOAD_RESULTS}
        )
        self.task_crashes = self.counter(
            "task_crashes", "Background tasks that crashed.", {"task": ()}
        )
        build = self.gauge("build_info", "1, with the version as a label.", {"version": ()})
        build.labels(version(distribution)).set(1)

    def create_task_series(self, tasks: Iterable[str]) -> None:
        """Create the crash counters of background tasks, so that they exist before any crash."""
        for task in tasks:
            self.task_crashes.labels(task)

    def count_crash(self, task: str) -> None:
        """Count a crash of a background task."""
        self.task_crashes.labels(task).inc()

    def count_config_reload(self, result: str) -> None:
        """Count a reload of the configuration, by one of `RELOAD_RESULTS`."""
        self.config_reloads.labels(result).inc()

    def gauge(
        self, name: str, text: str, labels: Mapping[str, Iterable[str]] = _NO_LABELS
    ) -> Gauge:
        """Register a gauge.

        Args:
            name: without the prefix.
            text: the help, with the unit.
            labels: label name -> known values.
        """
        gauge = Gauge(PREFIX + name, text, tuple(labels), registry=self.registry)
        for values in _combinations(labels):
            gauge.labels(*values)
        return gauge

    def counter(
        self, name: str, text: str, labels: Mapping[str, Iterable[str]] = _NO_LABELS
    ) -> Counter:
        """Register a counter; Prometheus' client adds ``_total`` to its name.

        Args:
            name: without prefix and ``_total``.
            text: the help.
            labels: label name -> known values.
        """
        counter = Counter(PREFIX + name, text, tuple(labels), registry=self.registry)
        for values in _combinations(labels):
            counter.labels(*values)
        return counter

    def histogram(self, name: str, text: str, *, buckets: Sequence[float]) -> Histogram:
        """Register a histogram.

        Args:
            name: without the prefix.
            text: the help, with the unit.
            buckets: upper bounds, in the unit.
        """
        return Histogram(PREFIX + name, text, buckets=buckets, registry=self.registry)


def _combinations(labels: Mapping[str, Iterable[str]]) -> Iterator[tuple[str, ...]]:
    return product(*labels.values()) if labels else iter(())


class _DroppedLogLines(Collector):
    """The count of `shield_common.logs`, which begins before any registry exists."""

    def collect(self) -> Iterator[CounterMetricFamily]:
        yield CounterMetricFamily(
            f"{PREFIX}log_dropped",
            "Log lines that were dropped because standard error was not read.",
            value=logs.dropped_lines(),
        )
