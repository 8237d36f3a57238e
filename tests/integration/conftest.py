"""Servers as fixtures: each test gets its own, and they end with it."""

import signal
from collections.abc import AsyncIterator

import pytest

from tests.rig.certificates import Authority
from tests.rig.etcd import EtcdServer
from tests.rig.lifetime import Rig
from tests.rig.prometheus import PrometheusServer
from tests.rig.redis import RedisServer

# A shell starts background jobs with SIGINT ignored, and every program under test would inherit
# that. Tests send SIGINT, so it must have its default effect however the tests were started.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """The owner of further servers."""
    async with Rig() as rig:
        yield rig


@pytest.fixture
async def redis(rig: Rig) -> RedisServer:
    """A plain Redis."""
    server = RedisServer(rig)
    await server.start()
    return server


@pytest.fixture
async def prometheus(rig: Rig) -> PrometheusServer:
    """A Prometheus that scrapes nothing yet."""
    server = PrometheusServer(rig)
    await server.start()
    return server


@pytest.fixture
async def etcd(rig: Rig) -> EtcdServer:
    """A single etcd member."""
    server = EtcdServer(rig)
    await server.start()
    return server


@pytest.fixture
def authority(rig: Rig) -> Authority:
    """Issues certificates for loopback."""
    return Authority(rig.directory / "certificates")
