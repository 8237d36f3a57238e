"""What the evaluator costs: `python -m tests.bench.evaluator`.

Figures, not tests. A cycle runs against a store in memory and answers that are parsed from bytes,
so its own CPU time is measured and neither Prometheus' nor Redis'. The best of several batches
counts: what a busy machine adds is not the evaluator's.
"""

import asyncio
import gc
import json
import resource
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from shield_common import logs
from shield_common.logs import LogSettings
from shield_evaluator.config_snapshot import ConfigSnapshot
from shield_evaluator.core.plan import OnBlind, Plan, RoomPlan, SignalPlan, Threshold, Unit
from shield_evaluator.core.state import Instant
from shield_evaluator.cycle import Cycle
from shield_evaluator.lease import Writer
from shield_evaluator.metrics import Metrics
from shield_evaluator.override import OverrideInForce
from shield_evaluator.prometheus.alert_rules import AlertRules
from shield_evaluator.prometheus.response import Answer, parse
from shield_evaluator.prometheus.source import PrometheusSource, SignalQuery
from shield_evaluator.room_inputs import RoomReader
from tests.bench.figures import Figure, show
from tests.fakes.memory_store import MemoryBackend, MemoryStore

SIGNALS = 4
TIERS = 3
MEMBERS = 3
CYCLES = 500
BATCH = 10
MEMORY_CYCLES = 10_000
INTERVAL_MS = 5_000
PARSES = 200


def vector(samples: int) -> bytes:
    """Return Prometheus' answer with this number of samples."""
    labels = {"__name__": "etcd_size", "job": "etcd", "namespace": "openshift-etcd"}
    result: list[dict[str, object]] = [
        {
            "metric": labels | {"instance": f"10.0.{n // 250}.{n % 250}:2379", "pod": f"etcd-{n}"},
            "value": [1_795_000_000.123, f"0.{n:04}"],
        }
        for n in range(samples)
    ]
    return json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": result}}
    ).encode()


class Answering:
    """Answers every query from the same bytes, and counts."""

    def __init__(self) -> None:
        self.asked = 0
        self._body = vector(MEMBERS)

    async def query(
        self,
        expression: str,
        *,
        budget: float,
        member_label: str | None = None,
        members: int | None = None,
    ) -> Answer:
        del expression, budget, members
        self.asked += 1
        return parse(self._body, member_label=member_label)

    async def alert_rules(self, alert: str, *, budget: float) -> AlertRules:
        raise NotImplementedError(alert, budget)

    async def start_time(self, *, budget: float) -> datetime:
        raise NotImplementedError(budget)


class Stepping:
    """A clock that moves only when a caller moves it."""

    def __init__(self) -> None:
        self.ms = 0

    def __call__(self) -> Instant:
        return Instant(ms=self.ms, utc=datetime.now(UTC))


def snapshot() -> ConfigSnapshot:
    names = [f"signal-{n}" for n in range(SIGNALS)]
    signal = SignalPlan(
        members=MEMBERS, blind_after_ms=120_000, on_blind=OnBlind.HOLD, unit=Unit.RATIO
    )
    room = RoomPlan(
        target=0.88,
        run_cost=4 * 1024**2,
        lag_ms=30_000,
        grows_over_ms=900_000,
        spend_ms=60_000,
    )
    threshold = Threshold(set=0.9, reset=0.8, warn=0.85, room=room)
    plan = Plan(
        signals=dict.fromkeys(names, signal),
        tiers={f"tier-{n}": dict.fromkeys(names, threshold) for n in range(TIERS)},
        default_tier="tier-0",
    )
    return ConfigSnapshot(
        plan=plan,
        queries=dict.fromkeys(names, SignalQuery("etcd_size")),
        cluster="bench",
        interval=INTERVAL_MS / 1000,
        budget=4.0,
        ttl_ms=300_000,
    )


class Evaluating:
    """One evaluator with everything but the network: metrics, history and the store included."""

    def __init__(self) -> None:
        self.clock = Stepping()
        store = MemoryStore(MemoryBackend(now_ms=lambda: self.clock.ms), cluster="bench")
        seen = snapshot()
        self.client = Answering()

        self._cycle = Cycle(
            seen,
            source=PrometheusSource(self.client),
            # The quota is asked for once a minute; the bar counts the queries of signals.
            room=RoomReader(store, Answering(), now=self.clock),
            decisions=store,
            override=OverrideInForce(store),
            writer=Writer(
                store,
                holder="bench",
                lease_ms=15_000,
                allow_eviction=False,
                now=self.clock,
            ),
            now=self.clock,
            on_result=Metrics(seen.plan).record,
        )

    async def cycles(self, count: int) -> None:
        for _ in range(count):
            await self._cycle.evaluate()
            self.clock.ms += INTERVAL_MS


async def cost_of_a_cycle() -> list[Figure]:
    evaluating = Evaluating()
    await evaluating.cycles(1_000)  # an hour's history is in memory from now on
    asked = evaluating.client.asked
    best = float("inf")
    for _ in range(CYCLES // BATCH):
        before = time.process_time()
        await evaluating.cycles(BATCH)
        best = min(best, time.process_time() - before)
    return [
        Figure(
            what=f"CPU of a cycle, {SIGNALS} signals x {TIERS} tiers",
            value=best / BATCH * 1000,
            bar=5.0,
            unit="ms",
        ),
        Figure(
            what="queries per interval",
            value=(evaluating.client.asked - asked) / CYCLES,
            bar=SIGNALS,
            unit="",
        ),
    ]


def cost_of_parsing() -> Figure:
    body = vector(1_000)
    best = float("inf")
    for _ in range(PARSES):
        before = time.process_time()
        parse(body)
        best = min(best, time.process_time() - before)
    return Figure(what="CPU of parsing 1,000 samples", value=best * 1000, bar=2.0, unit="ms")


async def growth() -> Figure:
    evaluating = Evaluating()
    await evaluating.cycles(1_000)
    gc.collect()
    before = sys.getallocatedblocks()
    await evaluating.cycles(MEMORY_CYCLES)
    gc.collect()
    return Figure(
        what=f"memory blocks gained over {MEMORY_CYCLES:,} cycles",
        value=max(sys.getallocatedblocks() - before, 0),
        bar=MEMORY_CYCLES / 10,  # a leak of one object per cycle is ten times that
        unit="",
    )


def main() -> int:
    """Print the figures; 1 if one misses its bar."""
    logs.configure(LogSettings(level="error"), service="bench")
    figures = [*asyncio.run(cost_of_a_cycle()), cost_of_parsing(), asyncio.run(growth())]
    console = Console(highlight=False)
    status = show(console, figures)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    console.print(f"peak memory of this process: {peak / 1024:.0f} MiB")
    return status


if __name__ == "__main__":
    sys.exit(main())
