"""A world in memory: one store, one clock that is stepped by hand, and evaluators in it."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shield_common.decision import Decision, Override, decode_decision, encode_override
from shield_common.held import decode_held_report
from shield_common.store.keys import Keys
from shield_common.store.protocol import StoreError
from shield_evaluator.config_snapshot import ConfigSnapshot
from shield_evaluator.core.holding import HeldReading
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import Plan
from shield_evaluator.core.state import Instant
from shield_evaluator.cycle import Cycle
from shield_evaluator.cycle_result import CycleResult
from shield_evaluator.lease import Writer
from shield_evaluator.override import OverrideInForce
from shield_evaluator.prometheus.source import SignalQuery
from shield_evaluator.room_inputs import RoomInputs
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.unit.shield_evaluator.plans import EPOCH, SIGNAL, complete, one_latch

CLUSTER = "c1"
KEYS = Keys(CLUSTER)
INTERVAL = 5.0
LEASE = 15.0
SERVER_BOOT_MS = 1_795_000_000_000


@dataclass
class Clock:
    """A monotonic clock and the wall clock's label for it, which may be wrong."""

    ms: int = 1_000_000
    wall_is_off_by: timedelta = timedelta(0)

    def __call__(self) -> Instant:
        return Instant(
            ms=self.ms, utc=EPOCH + timedelta(milliseconds=self.ms) + self.wall_is_off_by
        )

    def step(self, seconds: float = INTERVAL) -> None:
        self.ms += round(seconds * 1000)


@dataclass
class ScriptedSource:
    """Observes what the test says; `meanwhile` runs, and `takes` seconds pass, while it does."""

    seen: Mapping[str, Observation] = field(default_factory=lambda: {SIGNAL: complete(0.5)})
    meanwhile: Callable[[], None] = lambda: None
    takes: float = 0.0
    asked: int = 0

    async def observe(
        self, queries: Mapping[str, SignalQuery], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        del queries, plan, budget
        self.asked += 1
        self.meanwhile()
        if self.takes:
            await asyncio.sleep(self.takes)  # on a loop in virtual time
        return dict(self.seen)


@dataclass
class ScriptedRoom:
    """Reads the counters from the world's store, and says what etcd's quota is."""

    store: MemoryStore
    quotas: Mapping[str, float] = field(default_factory=lambda: {SIGNAL: 1000.0 * 1024**2})

    async def read(self, plan: Plan, *, budget: float) -> RoomInputs:
        del plan, budget
        try:
            admitted = await self.store.read_admitted()
        except StoreError:
            return RoomInputs(self.quotas)
        stored = await self.store.read_held_report()
        report = None if stored is None else decode_held_report(stored.document)
        held = HeldReading(report, store_answered=True, held_totals=admitted.held)
        return RoomInputs(self.quotas, admitted.totals, held)

    async def remove(self, counters: Collection[str]) -> None:
        await self.store.remove_admitted(counters)


@dataclass
class Node:
    """One evaluator."""

    source: ScriptedSource
    writer: Writer
    override: OverrideInForce
    cycle: Cycle
    results: list[CycleResult]
    inputs: ScriptedRoom

    async def sees(self, value: float) -> CycleResult:
        """Evaluate while every member's value is this."""
        self.source.seen = {SIGNAL: complete(value)}
        return await self.cycle.evaluate()


class World:
    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.backend = MemoryBackend(now_ms=lambda: SERVER_BOOT_MS + self.clock.ms)
        self.store = MemoryStore(self.backend, cluster=CLUSTER)

    def evaluator(
        self, name: str = "one", *, plan: Plan | None = None, allow_eviction: bool = False
    ) -> Node:
        results: list[CycleResult] = []
        source = ScriptedSource()
        inputs = ScriptedRoom(self.store)
        writer = Writer(
            self.store,
            holder=name,
            lease_ms=round(LEASE * 1000),
            allow_eviction=allow_eviction,
            now=self.clock,
        )
        override = OverrideInForce(self.store)
        cycle = Cycle(
            snapshot(plan),
            source=source,
            room=inputs,
            decisions=self.store,
            override=override,
            writer=writer,
            now=self.clock,
            on_result=results.append,
        )
        return Node(source, writer, override, cycle, results, inputs)

    async def published(self) -> Decision | None:
        stored = await self.store.read_decision()
        return None if stored is None else decode_decision(stored.document)

    async def operator_says(self, *, allow: bool, seconds: float = 60) -> None:
        now = self.clock()
        override = Override(
            allow=allow,
            reason="upgrade",
            by="ops",
            since=now.utc,
            until=now.utc + timedelta(seconds=seconds),
        )
        await self.store.put_override(encode_override(override), round(seconds * 1000))


async def allows(world: World) -> bool:
    """Say whether the published decision admits."""
    decision = await world.published()
    assert decision is not None
    return decision.allow


def snapshot(plan: Plan | None = None, *, interval: float = INTERVAL) -> ConfigSnapshot:
    return ConfigSnapshot(
        plan=plan or one_latch(),
        queries={SIGNAL: SignalQuery("ratio")},
        cluster=CLUSTER,
        interval=interval,
        budget=interval * 0.8,
        ttl_ms=300_000,
        status_url="https://status.example",
    )
