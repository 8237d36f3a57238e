"""Short courses of one signal, written by hand, and what the report makes of them."""

from collections.abc import Sequence

from shield_evaluator.backtest import report
from shield_evaluator.backtest.findings import Report
from shield_evaluator.backtest.replay import replay
from shield_evaluator.backtest.samples import QuerySamples, Samples, Series
from shield_evaluator.core.plan import OnBlind, Plan, SignalPlan, Threshold, Unit
from shield_evaluator.prometheus.range_query import Grid

MINUTE_MS = 60_000
# One value per minute and member; None is no sample.
Values = Sequence[float | None]


def plan(*, members: int | None = None, on_blind: OnBlind = OnBlind.HOLD) -> Plan:
    """Close `standard` from 90%, open it below 80%; blind after five minutes."""
    signal = SignalPlan(members, 5 * MINUTE_MS, on_blind, Unit.RATIO)
    return Plan({"db-file": signal}, {"standard": {"db-file": Threshold(0.9, 0.8)}}, "standard")


def samples(*members: Values) -> Samples:
    """Put values on a grid of minutes."""
    grid = Grid(0, MINUTE_MS, len(members[0]))
    query = QuerySamples("usage", ("db-file",))
    for number, values in enumerate(members):
        series = Series(f"member-{number}", grid.steps)
        for index, value in enumerate(values):
            if value is not None:
                series.put(index, value)
        query.series.append(series)
    return Samples(grid, [query])


def reported(*members: Values, by: Plan | None = None) -> Report:
    """Replay values and report."""
    chosen = by or plan()
    known = samples(*members)
    return report.build(chosen, replay(chosen, {"db-file": "usage"}, known), known.grid)
