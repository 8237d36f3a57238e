"""Ways to reach Sentinels, and what is reported when none of them helps."""

from pathlib import Path

import pytest

from shield_common.store.settings import RedisSettings, SentinelSettings
from tests.integration.store.failing import DOCUMENT, OpenStore, failure_of
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisServer
from tests.rig.redis_sentinel import MASTER_NAME, RedisSentinel, replica_of
from tests.rig.server import start_all

pytestmark = pytest.mark.shows("trial T14")

# The rig asks for replicas as the default user; the product needs a user for everything else.
GUARDED = (
    "user default on nopass -@all +sentinel|slaves",
    "user shield on >sentinel-secret -@all +sentinel|masters",
)


async def sentinel_of(rig: Rig, *lines: str, password: str | None = None) -> RedisSentinel:
    master = RedisServer(rig, "master")
    await master.start()
    sentinel = RedisSentinel(rig, master, lines=lines, password=password)
    await start_all(RedisServer(rig, "replica", replica_of(master)), sentinel)
    return sentinel


def through(*addresses: str, **settings: str) -> RedisSettings:
    return RedisSettings(
        url="redis:///0",
        sentinel=SentinelSettings(master=MASTER_NAME, addresses=addresses, **settings),
    )


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    path = tmp_path / "sentinel-password"
    path.write_text("sentinel-secret\n")
    return str(path)


async def test_a_sentinel_at_an_ipv6_address_is_asked(rig: Rig, open_store: OpenStore) -> None:
    sentinel = await sentinel_of(rig)
    await open_store(through(sentinel.ipv6_address)).publish(DOCUMENT)


async def test_a_sentinel_with_an_acl_user_is_asked(
    rig: Rig, open_store: OpenStore, password_file: str
) -> None:
    sentinel = await sentinel_of(rig, *GUARDED)
    settings = through(sentinel.address, username="shield", password_file=password_file)
    await open_store(settings).publish(DOCUMENT)


async def test_a_sentinel_with_a_password_alone_is_asked(
    rig: Rig, open_store: OpenStore, password_file: str
) -> None:
    sentinel = await sentinel_of(rig, password="sentinel-secret")
    settings = through(sentinel.address, password_file=password_file)
    await open_store(settings).publish(DOCUMENT)


async def test_an_unreachable_sentinel_is_reported_in_a_short_sentence(
    rig: Rig, open_store: OpenStore
) -> None:
    port = rig.ports.reserve()
    error = await failure_of(open_store(through(f"{LOOPBACK}:{port}")).read_decision())
    assert str(error).startswith(
        f"no Sentinel knows a reachable master '{MASTER_NAME}': cannot connect to "
    )
    assert "<" not in str(error)
    assert len(str(error)) < 200


async def test_several_unreachable_sentinels_are_reported_in_a_short_sentence(
    rig: Rig, open_store: OpenStore
) -> None:
    addresses = [f"{LOOPBACK}:{rig.ports.reserve()}" for _ in range(5)]
    error = await failure_of(open_store(through(*addresses)).read_decision())
    assert "<" not in str(error)
    assert len(str(error)) <= 300


async def test_a_master_that_sentinel_does_not_know_is_named(
    rig: Rig, open_store: OpenStore
) -> None:
    sentinel = await sentinel_of(rig)
    settings = RedisSettings(
        url="redis:///0",
        sentinel=SentinelSettings(master="mymaster", addresses=(sentinel.address,)),
    )
    error = await failure_of(open_store(settings).read_decision())
    assert "no Sentinel knows a reachable master 'mymaster'" == str(error)


async def test_a_wrong_password_of_a_sentinel_is_reported(
    rig: Rig, open_store: OpenStore, tmp_path: Path
) -> None:
    sentinel = await sentinel_of(rig, *GUARDED)
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong")
    settings = through(sentinel.address, username="shield", password_file=str(wrong))
    error = await failure_of(open_store(settings).read_decision())
    assert "authentication" == error.kind
    assert "invalid username-password pair" in str(error)


async def test_a_sentinel_is_asked_behind_an_address_where_a_redis_is(
    rig: Rig, open_store: OpenStore
) -> None:
    plain = RedisServer(rig, "plain")
    await plain.start()
    sentinel = await sentinel_of(rig)
    settings = through(f"{LOOPBACK}:{plain.port}", sentinel.address)
    await open_store(settings).publish(DOCUMENT)


async def test_an_address_where_a_redis_is_instead_of_a_sentinel_is_reported(
    rig: Rig, open_store: OpenStore
) -> None:
    plain = RedisServer(rig, "plain")
    await plain.start()
    error = await failure_of(open_store(through(f"{LOOPBACK}:{plain.port}")).read_decision())
    assert str(error).startswith(f"no Sentinel knows a reachable master '{MASTER_NAME}': ")
    assert "unknown command 'SENTINEL'" in str(error)


async def test_a_sentinel_that_forbids_the_question_is_reported(
    rig: Rig, open_store: OpenStore, password_file: str
) -> None:
    guarded = (GUARDED[0], "user shield on >sentinel-secret -@all +sentinel|sentinels")
    sentinel = await sentinel_of(rig, *guarded)
    settings = through(sentinel.address, username="shield", password_file=password_file)
    error = await failure_of(open_store(settings).read_decision())
    assert str(error).startswith(f"no Sentinel knows a reachable master '{MASTER_NAME}': ")
    assert "no permissions" in str(error)
