"""Which controllers take a share of room: those that start held runs, and no others."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shield_common.config.types import Duration
from shield_common.decision_age import FreshnessLimits
from shield_common.decision_feed import DecisionFeed
from shield_common.store.keys import Keys
from shield_common.store.settings import RedisSettings
from shield_controller.mirror import POLL_SECONDS
from shield_controller.settings import ControllerSettings, HoldSettings
from shield_controller.subscription import follow_while, refresh_seconds
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.rig.waiting import wait_until

KEY = Keys("rh01").decision


class Candidate:
    """A controller's feed on a store in memory, and whether it leads."""

    def __init__(self) -> None:
        self.leads = False
        self.backend = MemoryBackend(now_ms=lambda: 0)
        self.feed = DecisionFeed(
            MemoryStore(self.backend, cluster="rh01"),
            cluster="rh01",
            limits=FreshnessLimits(30_000, 300_000),
            refresh=1.0,
            now_ms=lambda: 0,
            random=lambda: 0.0,
        )

    async def until_subscribed(self, *, is_subscribed: bool) -> None:
        await wait_until(
            lambda: is_subscribed == bool(self.backend.feeds(KEY)), within=10, what="the change"
        )


@asynccontextmanager
async def following(candidate: Candidate) -> AsyncIterator[None]:
    task = asyncio.create_task(
        follow_while(lambda: candidate.leads, candidate.feed.follow, check_seconds=0.01)
    )
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_leader_subscribes_and_a_standby_does_not() -> None:
    candidate = Candidate()
    async with following(candidate):
        candidate.leads = True
        await candidate.until_subscribed(is_subscribed=True)
        candidate.leads = False
        await candidate.until_subscribed(is_subscribed=False)
        candidate.leads = True
        await candidate.until_subscribed(is_subscribed=True)


async def test_no_subscription_outlives_its_controller() -> None:
    candidate = Candidate()
    candidate.leads = True
    async with following(candidate):
        await candidate.until_subscribed(is_subscribed=True)
    assert not candidate.backend.feeds(KEY)


async def test_a_crash_while_following_is_not_hidden() -> None:
    async def crash() -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(10):
        with pytest.raises(ZeroDivisionError):
            await follow_while(lambda: True, crash, check_seconds=0.01)


@pytest.mark.parametrize(("holds", "expected"), [(True, 5.0), (False, POLL_SECONDS)])
def test_a_controller_without_a_subscription_reads_more_often(
    *, holds: bool, expected: float
) -> None:
    settings = ControllerSettings(
        cluster="rh01",
        redis=RedisSettings(url="redis://redis"),
        hold=HoldSettings(enabled=holds),
        refresh=Duration(5),
    )
    assert expected == refresh_seconds(settings)
