"""A calibration as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from shield_common.text import format_duration
from shield_evaluator.backtest.runs import CREATED
from shield_evaluator.table_style import new_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from shield_evaluator.calibrate.fit import Calibration, Interval

_MIB: Final = 1024**2
_KIB: Final = 1024
_SOURCES: Final = {True: "the API server's count", False: "etcd-shield's own count"}


def render(calibration: Calibration, source: str, advice: str) -> Iterator[RenderableType]:
    """Yield what to print.

    Args:
        calibration: what was found.
        source: which counter the runs come from.
        advice: the settings to paste.
    """
    columns = ("found", "90 of 100 selections of hours")
    table = new_table("", *columns, right=columns, title="What a run costs")
    table.add_row("run_cost", *_cost(calibration.run_cost, calibration.run_cost_interval))
    table.add_row("grows_over", *_time(calibration))
    yield table
    length, other = format_duration(calibration.seconds), calibration.other_growth / _KIB
    yield Text(
        f"{calibration.runs:,} runs ({_SOURCES[source == CREATED]}) in {length};"
        f" {calibration.stretches:,} stretches without a compaction."
        f" Runs explain {calibration.explained:.0%} of the differences in growth between them;"
        f" everything else adds {other:,.0f} KiB a second."
    )
    if calibration.grows_over_seconds is None:
        yield Text(
            "The history does not tell over how long a run writes: grows_over stays as it is."
        )
    yield Text("\nTo paste (run_cost is the upper end, since too low is worse than too high):\n")
    yield Text(advice)


def _cost(value: float, interval: Interval) -> tuple[str, str]:
    return (
        f"{value / _MIB:.2f} MiB",
        f"{interval.low / _MIB:.2f} to {interval.high / _MIB:.2f} MiB",
    )


def _time(calibration: Calibration) -> tuple[str, str]:
    value, interval = calibration.grows_over_seconds, calibration.grows_over_interval
    low, high = format_duration(interval.low), format_duration(interval.high)
    return (
        "cannot tell" if value is None else format_duration(value),
        low if low == high else f"{low} to {high}",
    )
