"""A history as the evaluator's backtest reads it, and as Prometheus' backfill does."""

from collections.abc import Iterator
from datetime import UTC, datetime

from shield_evaluator.backtest.samples import QuerySamples, Samples, Series
from shield_evaluator.prometheus.range_query import Grid
from tests.histories.etcd import MEMBERS, STEP_SECONDS, Course, readings

# Any time will do; a midnight makes pictures easy to read.
BEGIN_MS = round(datetime(2026, 11, 16, tzinfo=UTC).timestamp() * 1000)

_METRICS = (
    ("etcd_mvcc_db_total_size_in_bytes", "file"),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "in_use"),
    ("etcd_server_quota_backend_bytes", "quota"),
)


def samples_of(course: Course, expressions: dict[str, str]) -> Samples:
    """Return what range queries would give.

    Args:
        course: Of an etcd.
        expressions: Of the signals `db-file` and `db-in-use`.
    """
    grid = Grid(BEGIN_MS, STEP_SECONDS * 1000, course.steps)
    file = {member: Series(member, grid.steps) for member in MEMBERS}
    in_use = {member: Series(member, grid.steps) for member in MEMBERS}
    for reading in readings(course):
        file[reading.member].put(reading.step, reading.file / reading.quota)
        in_use[reading.member].put(reading.step, reading.in_use / reading.quota)
    by_signal = {"db-file": file, "db-in-use": in_use}
    return Samples(
        grid,
        [
            QuerySamples(expressions[name], (name,), list(series.values()))
            for name, series in by_signal.items()
        ],
    )


def openmetrics(course: Course, begin_seconds: int) -> Iterator[str]:
    """Yield the lines that `promtool tsdb create-blocks-from openmetrics` makes a past of."""
    everything = list(readings(course))
    for metric, field in _METRICS:
        yield f"# TYPE {metric} gauge\n"
        # One series after the other, each in order of time.
        for member in MEMBERS:
            for reading in everything:
                if reading.member == member:
                    at = begin_seconds + reading.step * STEP_SECONDS
                    yield f'{metric}{{instance="{member}"}} {getattr(reading, field)} {at}\n'
    yield "# EOF\n"
