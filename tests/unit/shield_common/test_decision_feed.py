"""How the held decision follows the store, with a memory store and a clock that is stepped."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from shield_common.decision import encode_decision
from shield_common.decision_age import Freshness, freshness
from shield_common.decision_feed import DecisionFeed, read_once
from shield_common.store.keys import Keys
from shield_common.store.protocol import StoreError
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.rig.waiting import wait_until
from tests.unit.shield_admitter.builders import LIMITS, NOW, decision

KEY = Keys("rh01").decision


class World:
    """A Redis in memory, two clocks that have nothing to do with each other, and an admitter."""

    def __init__(self) -> None:
        self.server_ms = 1_763_719_200_000
        self.local_ms = 5_000
        self.backend = MemoryBackend(now_ms=lambda: self.server_ms)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.feed = self.another()

    def another(self) -> DecisionFeed:
        return DecisionFeed(
            MemoryStore(self.backend, cluster="rh01"),
            cluster="rh01",
            limits=LIMITS,
            refresh=0.01,
            now_ms=lambda: self.local_ms,
            random=lambda: 0.0,
            on_document=lambda source, result: self.counts.update([(source, result)]),
        )

    def passes(self, seconds: float) -> None:
        self.server_ms += round(seconds * 1000)
        self.local_ms += round(seconds * 1000)

    def write(self, ttl_ms: int | None = 300_000, **changes: Any) -> bytes:
        document = encode_decision(decision(**changes))
        self.backend.put(KEY, document, ttl_ms)
        return document

    def publish(self, **changes: Any) -> None:
        self.backend.publish(KEY, self.write(**changes))

    @property
    def freshness(self) -> Freshness:
        return freshness(self.feed.cached, LIMITS, now_ms=self.local_ms)

    @property
    def order(self) -> tuple[int, int] | None:
        return None if self.feed.cached is None else self.feed.cached.decision.order


@pytest.fixture
def world() -> World:
    return World()


@asynccontextmanager
async def following(world: World) -> AsyncIterator[None]:
    task = asyncio.create_task(world.feed.follow())
    try:
        await subscribed(world)
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def subscribed(world: World) -> None:
    await wait_until(lambda: bool(world.backend.feeds(KEY)), within=10, what="a subscription")


async def counted(world: World, source: str, result: str) -> None:
    await wait_until(lambda: world.counts[source, result] > 0, within=10, what=f"{source} {result}")


async def test_a_late_joiner_takes_the_age_from_what_is_left(world: World) -> None:
    world.write()
    world.passes(20)
    await world.feed.read()
    assert world.feed.cached is not None
    assert 20_000 == world.feed.cached.age_ms(world.local_ms)


async def test_a_decision_that_is_read_again_only_gets_older(world: World) -> None:
    world.write()
    await world.feed.read()
    world.passes(29)
    await world.feed.read()
    assert world.feed.cached is not None
    assert 29_000 == world.feed.cached.age_ms(world.local_ms)


async def test_a_published_decision_is_held_at_once(world: World) -> None:
    async with following(world):
        world.publish(sequence=1)
        await counted(world, "subscription", "taken")
    assert (7, 1) == world.order


async def test_what_was_written_before_the_subscription_is_read_after_it(world: World) -> None:
    world.write(sequence=3)
    async with following(world):
        await counted(world, "get", "taken")
    assert (7, 3) == world.order


async def test_r11_an_older_epoch_is_ignored_until_the_held_one_expires(world: World) -> None:
    world.write(epoch=8, sequence=0)
    await world.feed.read()
    world.write(epoch=7, sequence=99)
    await world.feed.read()
    assert ((8, 0), 1) == (world.order, world.counts["get", "older"])
    world.passes(300)
    world.write(epoch=7, sequence=100)
    await world.feed.read()
    assert ((7, 100), Freshness.FRESH) == (world.order, world.freshness)


FORGED = encode_decision(decision(cluster="another", epoch=99))


@pytest.mark.parametrize(
    ("document", "ttl_ms", "result"),
    [
        (b"", 1_000, "malformed"),
        (b"\xff\x00", 1_000, "malformed"),
        (b'{"schema":1}', 1_000, "malformed"),
        (b'{"schema":2,"epoch":99}', 1_000, "schema"),
        (b" " * 300_000, 1_000, "size"),
        (FORGED, 1_000, "cluster"),
        (encode_decision(decision(epoch=99)), None, "no_expiry"),
        (b"[" * 100_000, 1_000, "malformed"),
    ],
    ids=[
        "empty",
        "no JSON",
        "incomplete",
        "future schema",
        "huge",
        "of another cluster",
        "without expiry",
        "deep",
    ],
)
async def test_r11_what_is_no_decision_keeps_the_last_good_one(
    world: World, document: bytes, ttl_ms: int | None, result: str
) -> None:
    world.write()
    await world.feed.read()
    world.backend.put(KEY, document, ttl_ms)
    await world.feed.read()
    assert ((7, 4211), 1) == (world.order, world.counts["get", result])


async def test_r11_garbage_that_is_published_keeps_the_last_good_one(world: World) -> None:
    async with following(world):
        world.publish()
        world.backend.publish(KEY, b"garbage")
        await counted(world, "subscription", "malformed")
    assert (7, 4211) == world.order


async def test_r6_a_deleted_key_changes_nothing_but_the_age(world: World) -> None:
    world.write()
    await world.feed.read()
    world.backend.delete(KEY)
    world.passes(30)
    await world.feed.read()
    assert ((7, 4211), Freshness.STALE) == (world.order, world.freshness)
    assert 1 == world.counts["get", "absent"]


async def test_e4_without_an_evaluator_a_decision_becomes_stale_and_expires(world: World) -> None:
    world.write()
    await world.feed.read()
    story = []
    for _ in range(4):
        story.append(world.freshness)
        world.passes(100)
    expected = [Freshness.FRESH, Freshness.STALE, Freshness.STALE, Freshness.EXPIRED]
    assert expected == story


@pytest.mark.parametrize("hours", [-1, 1])
async def test_e5_wall_clocks_are_never_compared(world: World, hours: int) -> None:
    moved = timedelta(hours=hours)
    world.write(evaluated_at=NOW + moved)
    world.server_ms += round(moved.total_seconds() * 1000)
    world.write(evaluated_at=NOW + moved)
    await world.feed.read()
    assert Freshness.FRESH is world.freshness


async def test_a_store_that_is_away_keeps_the_decision_and_says_so(world: World) -> None:
    world.write()
    await world.feed.read()
    world.backend.available = False
    with pytest.raises(StoreError):
        await world.feed.read()
    assert (7, 4211) == world.order


async def test_the_refresh_survives_a_store_that_is_away_and_goes_on(world: World) -> None:
    task = asyncio.create_task(world.feed.refresh())
    world.backend.available = False
    await wait_until(
        lambda: "unavailable" in (world.feed.problem or ""), within=10, what="a problem"
    )
    world.backend.available = True
    world.write()
    await counted(world, "get", "taken")
    assert world.feed.problem is None
    task.cancel()


async def test_r10_a_silent_subscription_is_dropped_and_replaced(world: World) -> None:
    world.write(interval_ms=10)
    async with following(world):
        await counted(world, "get", "taken")
        first = set(map(id, world.backend.feeds(KEY)))
        await wait_until(
            lambda: (
                bool(world.backend.feeds(KEY)) and set(map(id, world.backend.feeds(KEY))) != first
            ),
            within=10,
            what="another subscription",
        )


async def test_a_document_does_not_switch_the_watchdog_off(world: World) -> None:
    world.write(interval_ms=2**53 - 1)
    await world.feed.read()
    assert 180 >= world.feed.silence_limit


async def test_new_settings_keep_the_held_decision(world: World) -> None:
    world.write()
    await world.feed.read()
    world.feed.apply_settings(LIMITS, refresh=60)
    assert (7, 4211) == world.order


async def read(world: World) -> tuple[int | None, str | None]:
    """Read once; return the decision's sequence, and the problem."""
    store = MemoryStore(world.backend, cluster="rh01")
    cached, problem = await read_once(
        store, cluster="rh01", limits=LIMITS, now_ms=lambda: world.local_ms
    )
    return None if cached is None else cached.decision.sequence, problem


async def test_a_command_reads_the_decision_once(world: World) -> None:
    world.write(sequence=3)

    assert (3, None) == await read(world)


async def test_a_command_is_told_why_there_is_no_decision(world: World) -> None:
    absent = await read(world)
    world.write(cluster="other")
    foreign = await read(world)
    world.backend.available = False
    _, away = await read(world)

    assert (None, "Redis holds no decision for cluster rh01") == absent
    assert (None, "Redis holds no usable decision: cluster") == foreign
    assert "Redis does not answer" in (away or "")
