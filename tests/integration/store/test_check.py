"""Trying what a service needs: every missing right is named, and nothing changes."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shield_common.store.check import (
    TriedOperation,
    try_admitter_operations,
    try_controller_operations,
    try_evaluator_operations,
)
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.store.failing import CLUSTER, DOCUMENT, KEYS, LONG_MS, PATIENCE
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.redis_cluster import ClusterNode, form_cluster

PAGE = Path(__file__).parents[3] / "docs" / "redis.md"
SILENCE = 0.2  # seconds of hearing nothing that count as silence


def documented(user: str) -> str:
    """Return a user's rights as docs/redis.md gives them, with this test's names."""
    (line,) = re.finditer(rf"^user {user} on >SECRET (.*)$", PAGE.read_text(), re.MULTILINE)
    return line[1].replace("CLUSTER", CLUSTER)


async def server_with(rig: Rig, rights: str, *lines: str) -> tuple[RedisServer, RedisSettings]:
    users = [f"shield on >secret {rights}"]
    server = RedisServer(
        rig, options=RedisOptions(password="administrator", users=users, lines=lines)
    )
    await server.start()
    return server, RedisSettings(url=server.url.replace("://", "://shield:secret@"))


def missing(tried: list[TriedOperation]) -> list[str]:
    return [operation.name for operation in tried if operation.problem is not None]


async def evaluator_misses(settings: RedisSettings) -> list[str]:
    return missing(await try_evaluator_operations(settings, cluster=CLUSTER))


async def controller_misses(settings: RedisSettings) -> list[str]:
    return missing(await try_controller_operations(settings, cluster=CLUSTER))


async def admitter_misses(settings: RedisSettings) -> list[str]:
    return missing(await try_admitter_operations(settings, cluster=CLUSTER, tier="standard"))


@pytest.mark.shows("trial T13")
async def test_the_documented_evaluator_lacks_nothing(rig: Rig) -> None:
    _, settings = await server_with(rig, documented("evaluator"))
    assert [] == await evaluator_misses(settings)


@pytest.mark.shows("trial T13")
async def test_the_documented_admitter_lacks_nothing(rig: Rig) -> None:
    _, settings = await server_with(rig, documented("admitter"))
    assert [] == await admitter_misses(settings)


@pytest.mark.shows("trial T13")
async def test_the_documented_controller_lacks_nothing(rig: Rig) -> None:
    _, settings = await server_with(rig, documented("controller"))
    assert [] == await controller_misses(settings)


async def test_the_documented_controller_can_use_every_operation(rig: Rig) -> None:
    server, settings = await server_with(rig, documented("controller"))
    await server.call("HSET", KEYS.admitted, "held:standard", 7, "standard", 9)
    store = RedisStore(settings, cluster=CLUSTER)
    assert {"standard": 7} == await store.read_held_counts(["standard", "critical"])
    await store.write_held_report(b"{}", LONG_MS)
    async with store.subscribe_decisions():
        assert await store.read_decision() is None
    assert await store.read_held_report() is not None
    await store.close()


@pytest.mark.shows("trial T13")
async def test_the_documented_users_lack_nothing_in_a_redis_cluster(rig: Rig) -> None:
    (extra,) = re.finditer(r"In a Redis Cluster all users need `([^`]*)`", PAGE.read_text())
    nodes = [ClusterNode(rig, f"node-{number}") for number in range(3)]
    await form_cluster(nodes)
    for user in ("evaluator", "admitter"):
        rights = f"{documented(user)} {extra[1]}".split()
        for node in nodes:
            await node.call("ACL SETUSER", user, "on", ">secret", *rights)
    url = nodes[0].url
    writer = RedisSettings(url=url.replace("://", "://evaluator:secret@"), cluster=True)
    reader = RedisSettings(url=url.replace("://", "://admitter:secret@"), cluster=True)
    assert ([], []) == (await evaluator_misses(writer), await admitter_misses(reader))


@pytest.fixture
async def store(rig: Rig) -> AsyncIterator[RedisStore]:
    _, settings = await server_with(rig, documented("evaluator"))
    store = RedisStore(settings, cluster=CLUSTER)
    yield store
    await store.close()


async def test_the_documented_evaluator_can_use_every_operation(store: RedisStore) -> None:
    claim = await store.claim_lease("ada", LONG_MS)
    await store.publish(DOCUMENT)
    await store.put_override(b"deny", LONG_MS)
    await store.clear_override()
    async with store.subscribe_overrides():
        pass
    await store.read_admitted()
    await store.remove_admitted(["standard"])
    await store.read_latches()
    await store.read_decision()
    await store.release_lease("ada")
    assert ("noeviction", 0) == (await store.eviction_policy(), await store.count_subscribers())
    assert claim.lease_held


async def test_the_documented_evaluator_can_do_nothing_else(rig: Rig) -> None:
    server, _ = await server_with(rig, documented("evaluator"))
    for words in (("SET", "elsewhere", "1"), ("KEYS", "*"), ("FLUSHALL",), ("CONFIG", "GET", "*")):
        answer = await server.call("ACL DRYRUN", "shield", *words)
        assert "OK" != answer, words


@pytest.mark.shows("trial T13")
@pytest.mark.parametrize(
    ("rights", "names"),
    [
        pytest.param(
            "~* +@all resetchannels",
            [
                f"publish on {KEYS.decision}",
                f"publish on {KEYS.override}",
                f"subscribe to {KEYS.override}",
            ],
            id="t13 channels",
        ),
        pytest.param(
            f"~* +@all resetchannels &{KEYS.override}",
            [f"publish on {KEYS.decision}"],
            id="one channel",
        ),
        pytest.param(
            "~* &* +@all -info -pubsub|numsub",
            ["read maxmemory-policy (INFO)", "count the admitters (PUBSUB NUMSUB)"],
            id="questions",
        ),
        pytest.param("~* &* +@all -time", ["read Redis' clock"], id="clock"),
        pytest.param("~* &* +@all -hgetall", [f"read {KEYS.admitted}"], id="counts"),
        pytest.param(
            "~* &* +@all -del", [f"delete {KEYS.lease}", f"delete {KEYS.override}"], id="delete"
        ),
        pytest.param("~* &* +@all -ping", ["connect (PING)"], id="ping"),
    ],
)
async def test_what_an_evaluator_lacks_is_named(rig: Rig, rights: str, names: list[str]) -> None:
    _, settings = await server_with(rig, rights)
    assert names == await evaluator_misses(settings)


@pytest.mark.shows("trial T13")
async def test_the_keys_that_an_evaluator_may_not_write_are_named(rig: Rig) -> None:
    rights = f"%R~* ~{KEYS.lease} ~{KEYS.epoch} &* +@all"
    _, settings = await server_with(rig, rights)
    names = await evaluator_misses(settings)
    assert {f"write {key}" for key in (KEYS.decision, KEYS.allow, KEYS.latches, KEYS.override)} == {
        name for name in names if name.startswith("write")
    }


@pytest.mark.shows("trial T13")
@pytest.mark.parametrize(
    ("rights", "names"),
    [
        pytest.param(
            "~* +@all resetchannels", [f"subscribe to {KEYS.decision}"], id="t13 channels"
        ),
        pytest.param("%R~* &* +@all", [f"count in {KEYS.admitted}"], id="counts"),
        pytest.param("~* &* +@all -get", [f"read {KEYS.decision}"], id="get"),
        pytest.param("~* &* +@all -pttl", [f"read {KEYS.decision}"], id="pttl"),
    ],
)
async def test_what_an_admitter_lacks_is_named(rig: Rig, rights: str, names: list[str]) -> None:
    _, settings = await server_with(rig, rights)
    assert names == await admitter_misses(settings)


@pytest.mark.shows("trial T11")
@pytest.mark.parametrize(
    ("renamed", "name"),
    [
        ("INFO", "read maxmemory-policy (INFO)"),
        ("PUBSUB", "count the admitters (PUBSUB NUMSUB)"),
        ("PUBLISH", f"publish on {KEYS.decision}"),
        ("EVAL", f"write {KEYS.lease}"),
        ("SUBSCRIBE", f"subscribe to {KEYS.override}"),
    ],
)
async def test_a_command_that_was_renamed_away_is_named(rig: Rig, renamed: str, name: str) -> None:
    _, settings = await server_with(rig, "~* &* +@all", f'rename-command {renamed} ""')
    assert name in await evaluator_misses(settings)


@pytest.mark.shows("trial T11")
async def test_a_refused_ping_does_not_end_the_check(rig: Rig) -> None:
    _, settings = await server_with(rig, "~* &* +@all -ping -hincrby")
    tried = await try_admitter_operations(settings, cluster=CLUSTER, tier="standard")
    lacking = {operation.name: operation.needed for operation in tried if operation.problem}
    assert {"connect (PING)": False, f"count in {KEYS.admitted}": True} == lacking


@pytest.mark.shows("trial T11")
async def test_only_questions_are_not_needed(rig: Rig) -> None:
    _, settings = await server_with(rig, "~* &* +@all")
    tried = await try_evaluator_operations(settings, cluster=CLUSTER)
    assert [
        "read maxmemory-policy (INFO)",
        "count the admitters (PUBSUB NUMSUB)",
    ] == [operation.name for operation in tried if not operation.needed]


async def test_without_redis_the_connection_is_named_alone(rig: Rig) -> None:
    settings = RedisSettings(url=f"redis://{LOOPBACK}:{rig.ports.reserve()}/0")
    assert ["connect (PING)"] == await evaluator_misses(settings)
    assert ["connect (PING)"] == await admitter_misses(settings)
    assert ["connect (PING)"] == await controller_misses(settings)


async def test_trying_changes_nothing_and_readers_hear_nothing(rig: Rig) -> None:
    server, settings = await server_with(rig, "~* &* +@all")
    store = RedisStore(settings, cluster=CLUSTER)
    await store.publish(DOCUMENT)
    await store.put_override(b"deny", LONG_MS)
    await store.add_admitted({"standard": 3})

    async def state() -> list[object]:
        keys = sorted(await server.call("KEYS", "*"))
        values = [await server.call("GET", key) for key in keys if key != KEYS.admitted]
        persistent = [await server.call("PTTL", key) == -1 for key in keys]
        return [keys, values, persistent, await store.read_admitted()]

    before = await state()
    async with store.subscribe_decisions() as subscription:
        assert [] == await evaluator_misses(settings)
        assert [] == await admitter_misses(settings)
        assert [] == await controller_misses(settings)
        assert await subscription.next(SILENCE) is None
    assert before == await state()
    remaining = (await store.read_decision() or pytest.fail("no decision")).remaining_ms or 0
    assert LONG_MS - PATIENCE * 1000 < remaining <= LONG_MS
    await store.close()


async def test_trying_an_empty_redis_makes_no_key_that_an_evaluator_reads(rig: Rig) -> None:
    server, settings = await server_with(rig, "~* &* +@all")
    assert [] == await evaluator_misses(settings)
    assert [] == await server.call("KEYS", "*")


async def test_trying_works_on_a_frozen_redis_within_bounds(rig: Rig) -> None:
    server, settings = await server_with(rig, "~* &* +@all")
    server.freeze()
    assert ["connect (PING)"] == await evaluator_misses(settings)
    server.thaw()
