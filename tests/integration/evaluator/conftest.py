"""A Redis, a Prometheus that says what the test wants, and room for evaluators."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.evaluator.installation import Installation, installed
from tests.rig.lifetime import Rig
from tests.rig.redis import RedisServer


@pytest.fixture
async def installation(rig: Rig, redis: RedisServer) -> AsyncIterator[Installation]:
    async with installed(rig, redis) as made:
        yield made
