"""Admitted runs are counted in a real Redis, once each, whatever fails (B3)."""

import asyncio
from typing import Any

from redis.asyncio import Redis

from shield_common.store.keys import Keys
from tests.integration.admitter.publisher import CLUSTER
from tests.integration.admitter.site import WITHIN, Site
from tests.rig.ports import LOOPBACK
from tests.rig.waiting import wait_until

ADMITTED = Keys(CLUSTER).admitted


async def _total(site: Site, tier: str = "standard") -> int:
    client = Redis(host=LOOPBACK, port=site.redis.port, protocol=2)
    try:
        return int(await client.hget(ADMITTED, tier) or 0)
    finally:
        await client.aclose()


async def _until_total(site: Site, total: int) -> None:
    async def reached() -> bool:
        return total <= await _total(site)

    await wait_until(reached, within=WITHIN, what=f"{total} runs to be counted")


async def _admit(site: Site, count: int, **changes: Any) -> None:
    for _ in range(count):
        assert (await site.review(**changes)).review["allowed"]


async def _started(site: Site) -> None:
    await site.publisher.publish(allow=True)
    await site.admitter.start()


async def test_admitted_runs_are_counted_in_redis(site: Site) -> None:
    await _started(site)
    await _admit(site, 7)
    await _until_total(site, 7)
    assert 7 == await _total(site)


async def test_dry_runs_and_denied_runs_are_not_counted(site: Site) -> None:
    await _started(site)
    await _admit(site, 3, dry_run=True)
    await site.publisher.publish(allow=False)
    await site.until_admits(admits=False)
    assert not await site.allowed()
    await site.publisher.publish(allow=True)
    await site.until_admits(admits=True)
    await _admit(site, 1)
    await _until_total(site, 1)
    assert 1 == await _total(site)


async def test_b3_runs_admitted_while_redis_is_away_are_counted_once_it_is_back(
    site: Site,
) -> None:
    await _started(site)
    await _admit(site, 1)
    await _until_total(site, 1)
    site.redis.kill()
    await _admit(site, 5)
    await site.redis.start()  # without persistence: the counter begins again
    await _until_total(site, 5)
    assert 5 == await _total(site)


async def test_b3_runs_admitted_while_redis_is_frozen_are_counted_once(site: Site) -> None:
    await _started(site)
    await _admit(site, 1)
    await _until_total(site, 1)
    site.redis.freeze()
    try:
        await _admit(site, 5)
        await site.until_metric("redis_up", 0)
    finally:
        site.redis.thaw()
    await site.until_metric("redis_up", 1)
    await _until_total(site, 6)
    await site.until_metric("admission_counts_pending", 0)
    assert 6 == await _total(site)


async def test_b3_an_admitter_that_is_killed_loses_no_count_that_was_flushed(site: Site) -> None:
    await _started(site)
    await _admit(site, 10)
    await _until_total(site, 10)
    site.admitter.kill()
    assert 10 == await _total(site)


async def test_an_admitter_that_ends_counts_its_last_runs(site: Site) -> None:
    await _started(site)
    await asyncio.gather(*(_admit(site, 1) for _ in range(5)))
    await site.admitter.stop()
    assert 5 == await _total(site)
