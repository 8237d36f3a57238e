"""A day with holding, on a fake clock: an evaluator, three admitters, and runs that come and go.

The parts are the product's own, with a store in memory between them; the test plays the API server
and shield-controller. `tests/integration/holding` has real servers.
"""

import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from shield_admitter.admission_counts import AdmissionCounts
from shield_admitter.core.pacing import Pacing
from shield_admitter.core.slots import Slots
from shield_admitter.denial_log import DenialLog
from shield_admitter.http.messages import RequestHead
from shield_admitter.metrics import Metrics
from shield_admitter.settings import AdmitterSettings
from shield_admitter.webhook import Webhook
from shield_common.config.loader import parse
from shield_common.decision import Decision, TierHold
from shield_common.decision_feed import DecisionFeed
from shield_common.held import HeldReport, TierReport, encode_held_report
from shield_common.store.outage import OutageLog
from shield_evaluator.core.plan import Plan, RoomPlan, Threshold
from tests.fakes.memory_store import MemoryStore
from tests.integration.holding.api_server import Answer, ApiServer, pipeline_run
from tests.unit.shield_evaluator.plans import EPOCH, TIER, one_latch
from tests.unit.shield_evaluator.world import CLUSTER, World

CONTROLLER = "system:serviceaccount:etcd-shield:controller"
CONFIG = f"""
cluster: {CLUSTER}
tls: {{cert_file: c, key_file: k}}
redis: {{url: "redis://r/0"}}
hold: {{enabled: true, controllers: ["{CONTROLLER}"]}}
"""
MOST = 30
ROOM = RoomPlan(
    target=0.88, run_cost=1024**2, lag_ms=30_000, grows_over_ms=600_000, spend_ms=60_000
)
PLAN: Plan = replace(one_latch(Threshold(set=0.9, reset=0.8, room=ROOM, full=0.95)), max_held=MOST)
OPEN, CLOSED, FULL = 0.5, 0.92, 0.96


class Admitter:
    """One admitter without a network."""

    def __init__(self, world: World) -> None:
        settings = parse(CONFIG, AdmitterSettings, source="config", environment={})
        store = MemoryStore(world.backend, cluster=CLUSTER)
        self.counts = AdmissionCounts(store, random=lambda: 0.5, outage=OutageLog())
        self._pacing, self._slots = Pacing(), Slots()
        self._now_ms: Callable[[], int] = lambda: world.clock.ms
        self.feed = DecisionFeed(
            store,
            cluster=CLUSTER,
            limits=settings.freshness.limits(),
            refresh=settings.refresh,
            now_ms=self._now_ms,
            random=lambda: 0.5,
            on_decision=self._accept,
            outage=OutageLog(),
        )
        self.webhook = Webhook(
            settings,
            feed=self.feed,
            pacing=self._pacing,
            slots=self._slots,
            counts=self.counts,
            can_answer=lambda: True,
            metrics=Metrics(settings.policy()),
            denial_log=DenialLog(now_ms=self._now_ms),
            now_ms=self._now_ms,
            unix_now=time.time,
            random=lambda: 0.5,
        )

    def _accept(self, decision: Decision) -> None:
        self._pacing.grant(decision)
        unflushed = self.counts.unflushed_held()
        self._slots.grant(decision, now_ms=self._now_ms(), unflushed=unflushed)


class Cluster(ApiServer):
    """An API server that asks three admitters in turn, and the evaluator that they follow."""

    def __init__(self) -> None:
        super().__init__(None, [], None)  # type: ignore[arg-type] # no network
        self.world = World()
        self.evaluator = self.world.evaluator(plan=PLAN)
        self.admitters = [Admitter(self.world) for _ in range(3)]
        self._turn = itertools.count()

    async def _ask(self, path: str, review: dict[str, Any]) -> Mapping[str, Any]:
        head = RequestHead(b"POST", path.encode(), b"application/json")
        webhook = self.admitters[next(self._turn) % 3].webhook
        assert webhook.check_head(head) is None
        answer = webhook.respond(head, json.dumps(review).encode())
        response: dict[str, Any] = json.loads(answer.body)["response"]
        return response

    async def report(self) -> None:
        """Report held runs, as the controller does."""
        counted = (await self.world.store.read_admitted()).held.get(TIER, 0)
        entry = TierReport(held=len(self.held), counted=counted, released_per_minute=12)
        report = HeldReport(reported_at=EPOCH, tiers={TIER: entry})
        await self.world.store.write_held_report(encode_held_report(report), 30_000)

    async def interval(self, value: float, *, flush: bool = True) -> TierHold:
        """Let an interval pass: counts, the report, a decision, and the admitters follow it."""
        if flush:
            for admitter in self.admitters:
                await admitter.counts.flush()
            await self.report()
        self.world.clock.step()
        await self.evaluator.sees(value)
        for admitter in self.admitters:
            await admitter.feed.read()
        decision = await self.world.published()
        assert decision is not None
        hold = decision.tiers[TIER].hold
        assert hold is not None
        return hold

    async def create_all(self, count: int, prefix: str, *, dry_run: bool = False) -> list[Answer]:
        runs = [pipeline_run(f"{prefix}-{number}") for number in range(count)]
        return [await self.create(run, dry_run=dry_run) for run in runs]

    async def release_oldest(self, count: int) -> None:
        for name in self.held[:count]:
            assert not (await self.release(name, user=CONTROLLER)).held

    async def totals(self) -> tuple[int, int]:
        """Return how many runs were admitted and held since the beginning."""
        for admitter in self.admitters:
            await admitter.counts.flush()
        totals = await self.world.store.read_admitted()
        return totals.totals.get(TIER, 0), totals.held.get(TIER, 0)


async def cluster(value: float) -> Cluster:
    """Return a cluster whose admitters know how full etcd is, and how many they are."""
    built = Cluster()
    async with (
        built.world.store.subscribe_decisions(),
        built.world.store.subscribe_decisions(),
        built.world.store.subscribe_decisions(),
    ):
        await built.interval(value)
        await built.interval(value)
    built.evaluator.cycle.apply_settings(replace(built.evaluator.cycle.config, admitters=3))
    await built.interval(value)
    return built


def held(answers: list[Answer]) -> int:
    return sum(answer.held for answer in answers)


async def test_h5_bursts_in_every_interval_never_hold_more_than_there_are_slots() -> None:
    kube = await cluster(CLOSED)
    for number in range(6):
        await kube.create_all(20, f"burst-{number}")
        assert len(kube.held) <= MOST
        await kube.interval(CLOSED)
    assert MOST - 3 < len(kube.held) <= MOST
    assert (0, len(kube.held)) == await kube.totals()


async def test_h5_dry_runs_take_neither_slots_nor_room() -> None:
    kube = await cluster(CLOSED)
    assert 60 == held(await kube.create_all(60, "dry", dry_run=True))
    assert (0, 0) == await kube.totals()
    assert MOST == held(await kube.create_all(60, "real"))


async def test_every_held_run_starts_in_order_and_nobody_overtakes() -> None:
    kube = await cluster(CLOSED)
    assert 9 == held(await kube.create_all(9, "early"))
    await kube.interval(OPEN)
    await kube.interval(OPEN)
    for step in range(5):
        assert 1 == held(await kube.create_all(1, f"late-{step}"))
        await kube.release_oldest(3)
        await kube.interval(OPEN)
    assert [] == kube.held
    assert 0 == held(await kube.create_all(3, "after"))
    assert (17, 14) == await kube.totals()


async def test_h3_and_h4_starts_by_others_wait_while_the_tier_is_closed() -> None:
    kube = await cluster(CLOSED)
    await kube.create_all(1, "run")
    await kube.create(pipeline_run("mine", status="PipelineRunPending"))
    assert (await kube.set_status("run-0", None)).held
    assert (await kube.set_status("mine", None)).held
    assert (0, 2) == await kube.totals()
    await kube.interval(OPEN)
    await kube.release_oldest(2)
    await kube.interval(OPEN)
    assert (2, 2) == await kube.totals()


async def test_an_open_tier_does_not_wait_for_a_controller_that_is_gone() -> None:
    kube = await cluster(CLOSED)
    await kube.create_all(2, "run")
    await kube.interval(OPEN)
    assert 1 == held(await kube.create_all(1, "queued"))
    await kube.totals()
    for _ in range(6):
        await kube.interval(OPEN, flush=False)
    hold = await kube.interval(OPEN, flush=False)
    assert (True, 3) == (hold.stalled, hold.held)
    assert 0 == held(await kube.create_all(1, "newcomer"))


async def test_where_etcd_is_full_nothing_more_is_held() -> None:
    kube = await cluster(CLOSED)
    await kube.create_all(1, "run")
    await kube.interval(FULL)
    (answer,) = await kube.create_all(1, "late")
    assert (False, 429) == (answer.allowed, answer.code)
    assert (await kube.set_status("run-0", None)).held


async def test_a_restarted_admitter_holds_no_more_than_its_share_beyond_the_slots() -> None:
    kube = await cluster(CLOSED)
    await kube.create_all(15, "first")
    await kube.totals()
    kube.admitters[0] = Admitter(kube.world)
    await kube.admitters[0].feed.read()
    await kube.create_all(60, "second")
    assert len(kube.held) <= MOST + MOST // 3
    await kube.interval(CLOSED)
    assert 0 == held(await kube.create_all(30, "third"))


async def test_once_the_decision_has_expired_nothing_is_held_or_gated() -> None:
    kube = await cluster(CLOSED)
    await kube.create_all(1, "run")
    kube.world.clock.step(301)
    (answer,) = await kube.create_all(1, "new")
    assert (True, False) == (answer.allowed, answer.held)
    started = await kube.set_status("run-0", None)
    assert (True, False) == (started.allowed, started.held)
