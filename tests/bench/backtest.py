"""`python -m tests.bench.backtest`: how long a backtest of a month takes once it is fetched.

30 days at 30 s, two signals, three members, three tiers; the bar is 10 s on one idle core. The time
of the processor is printed beside that of the clock, because a busy machine shows in the latter.
"""

import math
import sys
import time

from shield_evaluator.backtest import report
from shield_evaluator.backtest.replay import replay
from shield_evaluator.backtest.samples import QuerySamples, Samples, Series
from shield_evaluator.core.plan import OnBlind, Plan, SignalPlan, Threshold, Unit
from shield_evaluator.prometheus.range_query import Grid

STEPS = 30 * 24 * 120
SIGNALS = ("db-file", "db-in-use")
TIERS = {"critical": (0.97, 0.93), "standard": (0.90, 0.80), "background": (0.85, 0.75)}
BAR_SECONDS = 10.0


def month() -> Samples:
    """Return a month of usage that swings through all thresholds every few days."""
    queries = []
    for name in SIGNALS:
        query = QuerySamples(name, (name,))
        for member in range(3):
            series = Series(f"10.0.0.{member}:2379", STEPS)
            for step in range(STEPS):
                series.put(step, 0.6 + 0.45 * math.sin(step / 3000) + member / 100)
            query.series.append(series)
        queries.append(query)
    return Samples(Grid(0, 30_000, STEPS), queries)


def plan() -> Plan:
    """Return the default tiers."""
    signals = {name: SignalPlan(3, 120_000, OnBlind.HOLD, Unit.RATIO) for name in SIGNALS}
    tiers = {
        tier: {name: Threshold(upper, lower) for name in SIGNALS}
        for tier, (upper, lower) in TIERS.items()
    }
    return Plan(signals, tiers, "standard")


def main() -> int:
    """Measure once; return the exit code."""
    samples, chosen = month(), plan()
    clock, processor = time.perf_counter(), time.process_time()
    steps = replay(chosen, {name: name for name in SIGNALS}, samples)
    found = report.build(chosen, steps, samples.grid)
    seconds, busy = time.perf_counter() - clock, time.process_time() - processor
    closings = sum(len(tier.closings) for tier in found.tiers.values())
    sys.stdout.write(
        f"{STEPS} steps, {closings} closings: {seconds:.1f} s, of the processor {busy:.1f} s"
        f" ({busy / STEPS * 1e6:.0f} µs a step); bar {BAR_SECONDS:g} s\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
