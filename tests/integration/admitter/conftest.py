"""An admitter per module where tests leave no traces, one per test where they do."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.integration.admitter.site import Site
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Site]:
    """An admitter that denies, for tests that do not change it; use loop_scope="module"."""
    async with Rig() as rig:
        redis = RedisServer(rig)
        await redis.start()
        retry = [{"seconds": 30, "users": ["system:serviceaccount:*"]}]
        site = Site(rig, redis, Authority(rig.directory / "certificates"), retry_after=retry)
        await site.publisher.publish(allow=False)
        await site.admitter.start()
        yield site
        await site.close()


@pytest.fixture
async def site(rig: Rig, redis: RedisServer, authority: Authority) -> AsyncIterator[Site]:
    """An admitter that is not started yet; change its ``admitter.config`` first."""
    site = Site(rig, redis, authority)
    yield site
    await site.close()
