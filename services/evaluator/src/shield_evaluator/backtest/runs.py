"""The runs of a recording and etcd's quota: what room and a calibration need besides signals.

They are queries of a recording like any other, under names that no signal can have. A recording
without them is one of an older version, or of a Prometheus that does not scrape them.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

from shield_evaluator.core.plan import DEFAULT_QUOTA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shield_evaluator.backtest.samples import QuerySamples, Samples, Series
    from shield_evaluator.core.plan import Plan

# A signal's name has no spaces (`shield_common.config.types.NAME_PATTERN`).
CREATED: Final = "runs created"
ADMITTED: Final = "runs admitted"
QUOTA: Final = "etcd quota"

# What the API server counts: https://kubernetes.io/docs/reference/instrumentation/metrics/
_CREATED_QUERY: Final = (
    'sum by (instance) (apiserver_request_total{resource="pipelineruns",verb="POST",code=~"2..",'
    'subresource="",dry_run=""})'
)
_ADMITTED_QUERY: Final = (
    'sum by (instance) (etcd_shield_admission_requests_total{verdict="admitted"})'
)


def expressions(plan: Plan) -> dict[str, str]:
    """Return what to ask for: name -> PromQL.

    Args:
        plan: whose signals may say how the quota is asked for; that of the first one counts.
    """
    configured = (signal.quota for signal in plan.signals.values())
    quota = next((one for one in configured if isinstance(one, str)), DEFAULT_QUOTA)
    # The API server counts every run; the shield only those that it judges.
    return {CREATED: _CREATED_QUERY, ADMITTED: _ADMITTED_QUERY, QUOTA: quota}


class RunCount:
    """How many runs have been created up to each step.

    Attributes:
        source: which of the counters it comes from: `CREATED` or `ADMITTED`.
        totals: runs up to each step, from 0.
        unknown: for each step, how many steps up to it had no counter at all. The runs of such a
            gap are spread over it.
    """

    def __init__(self, source: str, series: Sequence[Series]) -> None:
        self.source = source
        steps = len(series[0].values)
        new = [0.0] * steps
        known = bytearray(steps)
        for one in series:
            _add_increases(one, new, known)
        self.totals = list(accumulate(new))
        self.unknown = list(accumulate(0.0 if there else 1.0 for there in known))

    @property
    def runs(self) -> int:
        """All runs of the recording."""
        return round(self.totals[-1])


def count_runs(samples: Samples) -> RunCount | None:
    """Return the runs of a recording; None if it has no counter of them."""
    for name in (CREATED, ADMITTED):
        query = _named(samples, name)
        series = [] if query is None else [one for one in query.series if any(one.present)]
        if series:
            return RunCount(name, series)
    return None


def quotas_of(samples: Samples, plan: Plan) -> dict[str, float]:
    """Return the quota of each signal in bytes; a signal whose quota is not known is left out.

    A quota that is a number in the configuration counts as that; else the last one of the samples
    does, the least of all members'.
    """
    query = _named(samples, QUOTA)
    last = [
        one.values[index]
        for one in (() if query is None else query.series)
        if (index := one.present.rfind(1)) >= 0 and 0 < one.values[index] < float("inf")
    ]
    sampled = min(last, default=None)
    quotas = {
        name: float(signal.quota) if isinstance(signal.quota, int) else sampled
        for name, signal in plan.signals.items()
    }
    return {name: quota for name, quota in quotas.items() if quota is not None}


def _named(samples: Samples, name: str) -> QuerySamples | None:
    return next((query for query in samples.queries if name in query.names), None)


def _add_increases(series: Series, new: list[float], known: bytearray) -> None:
    """Add a counter's increases; after a restart it begins at 0 again."""
    last: tuple[int, float] | None = None
    for index, there in enumerate(series.present):
        value = series.values[index]
        if not there or not 0 <= value < float("inf"):
            continue
        known[index] = 1
        if last is not None:
            before, passed = last[1], index - last[0]
            increase = value - before if value >= before else value
            for step in range(last[0] + 1, index + 1):
                new[step] += increase / passed
        last = (index, value)
