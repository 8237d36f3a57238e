"""Runs are held instead of denied: a real evaluator, three real admitters, a real Redis (H3 to H5).

The test plays the API server and shield-controller.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from shield_common.decision import Decision, TierHold
from shield_common.held import (
    HELD_LABEL,
    PENDING_STATUS,
    HeldReport,
    TierReport,
    encode_held_report,
)
from shield_common.store.protocol import AdmittedTotals
from tests.integration.evaluator.installation import CLUSTER, Installation, installed
from tests.integration.holding.api_server import Answer, ApiServer, pipeline_run
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer
from tests.rig.server import start_all
from tests.rig.services import Admitter, Evaluator
from tests.rig.waiting import wait_until

TIER = "standard"
CONTROLLER = "system:serviceaccount:etcd-shield:controller"
WITHIN = 30.0
INTERVAL = "500ms"
REPORT_TTL_MS = 600_000
OPEN, CLOSED, FULL = 0.5, 0.92, 0.96
SLOTS = 30
KUEUE = {"kueue.x-k8s.io/queue-name": "ci"}


class Shield:
    """One evaluator, three admitters, and an API server that asks them in turn."""

    def __init__(
        self, installation: Installation, evaluator: Evaluator, admitters: list[Admitter]
    ) -> None:
        self.installation = installation
        self.evaluator = evaluator
        self.admitters = admitters
        trust = admitters[0].certificate.client_context()
        ports = [admitter.port for admitter in admitters]
        self.api = ApiServer(installation.rig.http, ports, trust)

    async def report(
        self, held: int | None = None, *, per_minute: float = 0.0, ttl_ms: int = REPORT_TTL_MS
    ) -> None:
        """Report held runs as the controller does: all that the API server has, unless given.

        Wait until the admitters have counted them before: the controller does so by a pause.
        """
        counted = (await self.totals()).held.get(TIER, 0)
        entry = TierReport(
            held=len(self.api.held) if held is None else held,
            released_per_minute=per_minute,
            counted=counted,
        )
        report = HeldReport(reported_at=datetime.now(UTC), tiers={TIER: entry})
        await self.installation.store.write_held_report(encode_held_report(report), ttl_ms)

    async def totals(self) -> AdmittedTotals:
        return await self.installation.store.read_admitted()

    async def until_totals(self, *, admitted: int = 0, held: int = 0) -> None:
        """Wait until the admitters have counted so many runs, and no more than that."""
        totals = AdmittedTotals({})

        async def reached() -> bool:
            nonlocal totals
            totals = await self.totals()
            return admitted <= totals.totals.get(TIER, 0) and held <= totals.held.get(TIER, 0)

        await wait_until(reached, within=WITHIN, what=f"{admitted} admitted and {held} held runs")
        assert (admitted, held) == (totals.totals.get(TIER, 0), totals.held.get(TIER, 0))

    async def decisions(self, count: int = 3) -> Decision:
        """Let every admitter follow so many more decisions; return the last one."""
        async with self.installation.listening() as stream:
            await stream.wait_longer(count)
        return stream.decisions[-1]

    async def measure(self, value: float) -> TierHold:
        """Let etcd's usage be this; wait until the admitters know, and return the slots."""
        self.installation.measure(value)
        decision = await self.decisions(4)
        hold = decision.tiers[TIER].hold
        assert hold is not None
        return hold

    async def create(
        self, count: int, prefix: str = "run", *, dry_run: bool = False
    ) -> list[Answer]:
        """Create runs at the same time."""
        runs = [pipeline_run(f"{prefix}-{number}") for number in range(count)]
        return await asyncio.gather(*(self.api.create(run, dry_run=dry_run) for run in runs))


@asynccontextmanager
async def shielded(
    rig: Rig, redis: RedisServer, authority: Authority, value: float, **changes: object
) -> AsyncIterator[Shield]:
    async with installed(rig, redis) as installation:
        installation.measure(value)
        evaluator = installation.evaluator(
            interval=INTERVAL, hold={"enabled": True, "max_runs": SLOTS}, admitters=3
        )
        config = {
            "cluster": CLUSTER,
            "redis": {"url": redis.url},
            "refresh": "1s",
            "drain": "1s",
            "hold": {"enabled": True, "controllers": [CONTROLLER]},
            **changes,
        }
        certificate = authority.server()
        admitters = [Admitter(rig, config, certificate, f"admitter-{n}") for n in range(3)]
        shield = Shield(installation, evaluator, admitters)
        await shield.report(0)
        await start_all(evaluator, *admitters)
        await shield.decisions()
        yield shield


@pytest.fixture
async def closed(rig: Rig, redis: RedisServer, authority: Authority) -> AsyncIterator[Shield]:
    """A shield whose tier denies, with slots."""
    async with shielded(rig, redis, authority, CLOSED) as shield:
        yield shield


async def test_h5_a_burst_holds_as_many_runs_as_there_are_slots_and_denies_the_rest(
    closed: Shield,
) -> None:
    answers = await closed.create(90)
    held = [answer for answer in answers if answer.held]
    denied = [answer for answer in answers if not answer.allowed]
    assert (SLOTS, 90 - SLOTS) == (len(held), len(denied))
    assert {429} == {answer.code for answer in denied}
    assert "PipelineRun admission currently not allowed" in denied[0].message
    await closed.until_totals(held=SLOTS)
    hold = await closed.measure(CLOSED)
    assert (SLOTS, 0) == (hold.held, hold.slots)
    assert not any(answer.allowed for answer in await closed.create(12, "late"))


async def test_h5_dry_runs_are_answered_alike_and_take_no_slot(closed: Shield) -> None:
    answers = await closed.create(60, dry_run=True)
    assert all(answer.held for answer in answers)
    assert all("held, number 1," in answer.warnings[0] for answer in answers)
    assert SLOTS == sum(answer.held for answer in await closed.create(SLOTS))
    await closed.until_totals(held=SLOTS)


async def test_slots_come_back_once_runs_are_released(closed: Shield) -> None:
    await closed.create(SLOTS)
    await closed.until_totals(held=SLOTS)
    await closed.report(10)
    hold = await closed.measure(CLOSED)
    assert (10, 20) == (hold.held, hold.slots)
    # Each admitter holds whole runs: 18 of 20 slots in shares of 6.67.
    assert 18 == sum(answer.held for answer in await closed.create(40, "second"))


async def test_newcomers_wait_behind_held_runs_and_nobody_overtakes(closed: Shield) -> None:
    await closed.create(3)
    await closed.until_totals(held=3)
    await closed.report()
    await closed.measure(OPEN)
    (newcomer,) = await closed.create(1, "newcomer")
    assert newcomer.held
    assert newcomer.warnings[0].startswith("held, number 4, starts when etcd has room")
    for name in closed.api.held:
        assert (await closed.api.release(name, user=CONTROLLER)).allowed
    assert [] == closed.api.held
    await closed.until_totals(admitted=4, held=4)
    await closed.report()
    await closed.measure(OPEN)
    assert not any(answer.held for answer in await closed.create(9, "after"))
    await closed.until_totals(admitted=13, held=4)


async def test_a_held_run_spends_room_when_it_starts_and_only_then(closed: Shield) -> None:
    await closed.create(5)
    await closed.until_totals(held=5)
    for name in closed.api.held:
        await closed.api.release(name, user=CONTROLLER)
    await closed.until_totals(admitted=5, held=5)


async def test_h3_a_start_by_another_is_put_off_while_the_tier_is_closed(closed: Shield) -> None:
    await closed.create(1)
    answer = await closed.api.set_status("run-0", None)
    assert answer.allowed
    assert answer.held
    assert "starts when etcd has room" in answer.warnings[0]
    await closed.report()
    await closed.measure(OPEN)
    assert (await closed.api.set_status("run-0", None)).held  # it is not the first in the queue
    assert not (await closed.api.release("run-0", user=CONTROLLER)).held
    await closed.until_totals(admitted=1, held=1)


async def test_h3_cancels_and_other_changes_of_held_runs_pass(closed: Shield) -> None:
    await closed.create(3)
    for number, status in enumerate(("Cancelled", "CancelledRunFinally", "StoppedRunFinally")):
        answer = await closed.api.set_status(f"run-{number}", status)
        assert answer.allowed
        assert status == answer.run["spec"]["status"]
        assert () == answer.warnings


async def test_a_run_whose_label_its_owner_took_off_comes_back_into_the_queue_at_its_start(
    closed: Shield,
) -> None:
    await closed.create(1)
    run = closed.api.runs["run-0"]
    bare = {**run, "metadata": {"name": "run-0", "namespace": "team-orders"}}
    assert (await closed.api.update("run-0", bare)).allowed
    assert [] == closed.api.held
    assert (await closed.api.set_status("run-0", None)).held
    await closed.until_totals(held=2)


async def test_h4_a_run_that_its_owner_created_pending_is_left_alone_until_it_starts(
    closed: Shield,
) -> None:
    answer = await closed.api.create(pipeline_run("mine", status=PENDING_STATUS))
    assert answer.allowed
    assert pipeline_run("mine", status=PENDING_STATUS) == answer.run
    assert () == answer.warnings
    started = await closed.api.set_status("mine", None)
    assert started.held
    await closed.until_totals(held=1)


async def test_h4_a_run_with_a_kueue_label_is_never_touched(closed: Shield) -> None:
    pending = pipeline_run("queued", status=PENDING_STATUS, labels=KUEUE)
    assert pending == (await closed.api.create(pending)).run
    assert PENDING_STATUS not in (await closed.api.set_status("queued", None)).run["spec"].values()
    direct = await closed.api.create(pipeline_run("direct", labels=KUEUE))
    assert (429, pipeline_run("direct", labels=KUEUE)) == (direct.code, direct.run)
    await closed.until_totals(admitted=1)


async def test_a_child_of_another_run_is_denied_and_not_held(closed: Shield) -> None:
    child = pipeline_run("child", ownerReferences=[{"kind": "PipelineRun", "name": "parent"}])
    assert 429 == (await closed.api.create(child)).code


async def test_a_run_whose_name_is_generated_is_held(closed: Shield) -> None:
    run = pipeline_run("")
    run["metadata"] = {"generateName": "build-", "namespace": "team-orders"}
    assert (await closed.api.create(run)).held


async def test_a_second_call_of_the_webhook_for_one_request_changes_nothing(
    closed: Shield,
) -> None:
    held, _ = await closed.api.mutated(pipeline_run("twice"))
    assert TIER == held["metadata"]["labels"][HELD_LABEL]
    again, response = await closed.api.mutated(held)
    assert held == again
    assert "patch" not in response
    await closed.until_totals(held=1)


async def test_where_etcd_is_full_newcomers_are_denied_and_starts_still_wait(
    closed: Shield,
) -> None:
    await closed.create(2)
    await closed.measure(FULL)
    assert [429] == [answer.code for answer in await closed.create(1, "late")]
    assert (await closed.api.set_status("run-0", None)).held


async def test_a_restarted_admitter_holds_on_within_the_slots(closed: Shield) -> None:
    assert all(answer.held for answer in await closed.create(15))
    await closed.until_totals(held=15)
    await closed.report()
    admitter = closed.admitters[0]
    admitter.kill()
    await admitter.start()
    await closed.measure(CLOSED)
    assert 15 == sum(answer.held for answer in await closed.create(40, "second"))
    await closed.until_totals(held=SLOTS)


async def test_runs_are_held_while_redis_is_away_and_counted_afterwards(closed: Shield) -> None:
    closed.installation.redis.freeze()
    try:
        answers = await closed.create(60)
    finally:
        closed.installation.redis.thaw()
    assert SLOTS == sum(answer.held for answer in answers)
    await closed.until_totals(held=SLOTS)
    hold = await closed.measure(CLOSED)
    assert 0 == hold.slots


async def test_an_open_tier_does_not_queue_behind_runs_that_nobody_releases(
    closed: Shield,
) -> None:
    await closed.create(2)
    await closed.until_totals(held=2)
    await closed.report(ttl_ms=1_000)
    hold = await closed.measure(OPEN)

    async def stalled() -> bool:
        nonlocal hold
        hold = await closed.measure(OPEN)
        return hold.stalled

    await wait_until(stalled, within=WITHIN, what="the report to expire")
    assert 2 == hold.held
    assert [False] == [answer.held for answer in await closed.create(1, "newcomer")]


async def test_once_the_decision_has_expired_nothing_is_held_or_gated(
    rig: Rig, redis: RedisServer, authority: Authority
) -> None:
    freshness = {"stale_after": "1s", "expired_after": "6s"}
    async with shielded(rig, redis, authority, CLOSED, freshness=freshness) as shield:
        assert [True] == [answer.held for answer in await shield.create(1)]
        shield.evaluator.kill()

        async def expired() -> bool:
            state = [
                await admitter.metric("etcd_shield_decision_freshness", state="expired")
                for admitter in shield.admitters
            ]
            return state == [1.0] * 3

        await wait_until(expired, within=WITHIN, what="the decision to expire")
        assert [(True, False)] == [(a.allowed, a.held) for a in await shield.create(1, "new")]
        started = await shield.api.set_status("run-0", None)
        assert (True, False) == (started.allowed, started.held)


async def test_with_holding_off_mutate_changes_nothing_whatever_is_asked(
    rig: Rig, redis: RedisServer, authority: Authority
) -> None:
    async with shielded(rig, redis, authority, CLOSED, hold={"enabled": False}) as shield:
        run, response = await shield.api.mutated(pipeline_run("run"))
        assert pipeline_run("run") == run
        assert {"allowed", "uid"} == response.keys()
        assert [429] == [answer.code for answer in await shield.create(1)]
        await shield.until_totals()


async def test_metrics_say_what_was_held_and_what_was_gated(closed: Shield) -> None:
    await closed.create(6)
    await closed.api.set_status("run-0", None)

    async def total(name: str, **labels: str) -> float:
        values = [await admitter.metric(name, **labels) for admitter in closed.admitters]
        return sum(value or 0 for value in values)

    requests = "etcd_shield_admission_requests_total"
    assert 6 == await total("etcd_shield_held_total", tier=TIER)
    assert 1 == await total("etcd_shield_start_gated_total", tier=TIER)
    assert 7 == await total(requests, verdict="held", tier=TIER, reason="shield")
    assert 0 == await total(requests, verdict="admitted", tier=TIER, reason="pending")
    assert 6 == await total("etcd_shield_mutation_requests_total", action="held")
