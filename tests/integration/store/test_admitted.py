"""Totals of admitted runs: added up by admitters, read by the evaluator, never counted twice."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from shield_common.store.keys import held_field
from shield_common.store.protocol import AdmittedTotals, UnclearError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings
from tests.integration.store.deployments import Site
from tests.integration.store.failing import CLUSTER, KEYS, PATIENCE, OpenStore, failure_of
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.redis_sentinel import replica_of


@pytest.fixture
async def server(rig: Rig) -> RedisServer:
    server = RedisServer(rig)
    await server.start()
    return server


@pytest.fixture
def store(server: RedisServer, open_store: OpenStore) -> RedisStore:
    return open_store(RedisSettings(url=server.url))


# On every implementation.


async def test_a_store_without_counts_has_no_totals(site: Site) -> None:
    assert AdmittedTotals({}) == await site.store.read_admitted()


async def test_counts_of_all_admitters_add_up(site: Site) -> None:
    second = site.deployment.store(site.cluster)
    await site.store.add_admitted({"standard": 3, "critical": 1})
    await second.add_admitted({"standard": 4})
    await second.close()
    assert AdmittedTotals({"standard": 7, "critical": 1}) == await site.store.read_admitted()


async def test_held_runs_are_counted_apart_from_admitted_ones(site: Site) -> None:
    longest = "t" * 63
    await site.store.add_admitted(
        {"standard": 3, held_field("standard"): 2, held_field(longest): 1}
    )
    await site.store.add_admitted({held_field("standard"): 5})
    expected = AdmittedTotals({"standard": 3}, held={"standard": 7, longest: 1})
    assert expected == await site.store.read_admitted()


async def test_a_count_of_held_runs_is_removed_alone(site: Site) -> None:
    await site.store.add_admitted({"standard": 3, held_field("standard"): 2})
    await site.store.remove_admitted([held_field("standard")])
    assert AdmittedTotals({"standard": 3}) == await site.store.read_admitted()


async def test_a_report_of_held_runs_is_read_until_it_expires(site: Site) -> None:
    assert await site.store.read_held_report() is None
    await site.store.write_held_report(b"first", 60_000)
    await site.store.write_held_report(b"second", 50_000)
    stored = await site.store.read_held_report()
    assert stored is not None
    assert b"second" == stored.document
    assert stored.remaining_ms is not None
    assert 0 < stored.remaining_ms <= 50_000


async def test_no_counts_change_nothing(site: Site) -> None:
    await site.store.add_admitted({})
    assert AdmittedTotals({}) == await site.store.read_admitted()


async def test_totals_of_two_clusters_are_apart(site: Site) -> None:
    await site.store.add_admitted({"standard": 3})
    other = Site(site.deployment)
    assert AdmittedTotals({}) == await other.store.read_admitted()
    await other.store.close()


async def test_b4_totals_are_gone_with_the_key(site: Site) -> None:
    await site.store.add_admitted({"standard": 3})
    await site.deployment.delete(site.keys.admitted)
    await site.store.add_admitted({"standard": 1})
    assert AdmittedTotals({"standard": 1}) == await site.store.read_admitted()


async def test_b4_a_removed_total_begins_again_at_0(site: Site) -> None:
    await site.store.add_admitted({"standard": 3, "critical": 1})
    await site.store.remove_admitted(["standard", "unheard-of"])
    await site.store.add_admitted({"standard": 2})
    assert AdmittedTotals({"standard": 2, "critical": 1}) == await site.store.read_admitted()


@pytest.mark.shows("trial T11")
async def test_counts_are_added_where_ping_is_refused(rig: Rig, open_store: OpenStore) -> None:
    users = ["shield on >secret ~* &* +@all -ping"]
    server = RedisServer(rig, options=RedisOptions(password="administrator", users=users))
    await server.start()
    store = open_store(RedisSettings(url=server.url.replace("://", "://shield:secret@")))
    await store.add_admitted({"standard": 3})
    await store.add_admitted({"standard": 4})
    assert AdmittedTotals({"standard": 7}) == await store.read_admitted()


# Content that no admitter wrote.


@pytest.mark.parametrize(
    "value",
    ["many", "", "-1", "1.5", "1e3", " 7", "0x10", str(2**53 + 1), str(10**18), "9" * 5000],
    ids=lambda value: value[:20] or "empty",
)
async def test_b4_a_value_that_is_no_count_is_skipped_and_reported(
    server: RedisServer, store: RedisStore, value: str
) -> None:
    await server.call("HSET", KEYS.admitted, "standard", value, "critical", 5)
    admitted = await store.read_admitted()
    assert {"critical": 5} == admitted.totals
    (problem,) = admitted.problems
    assert problem.endswith("is not a count of runs, in tier standard")
    assert len(problem) < 200


@pytest.mark.parametrize("value", [0, 1, 2**53], ids=["zero", "one", "largest"])
async def test_b4_a_count_within_the_bounds_is_read(
    server: RedisServer, store: RedisStore, value: int
) -> None:
    await server.call("HSET", KEYS.admitted, "standard", value)
    assert AdmittedTotals({"standard": value}) == await store.read_admitted()


@pytest.mark.parametrize(
    "field",
    ["", "a b", "{x}", "\x1b[2J", "x" * 64, "x" * 100_000],
    ids=["empty", "space", "braces", "escape", "64 letters", "100 kB"],
)
async def test_b4_a_field_that_names_no_tier_is_skipped_and_reported(
    server: RedisServer, store: RedisStore, field: str
) -> None:
    await server.call("HSET", KEYS.admitted, field, 9, "critical", 5)
    admitted = await store.read_admitted()
    assert {"critical": 5} == admitted.totals
    (problem,) = admitted.problems
    assert problem.isprintable()
    assert len(problem) < 200


async def test_b4_the_problems_of_a_hash_full_of_garbage_are_bounded(
    server: RedisServer, store: RedisStore
) -> None:
    for number in range(100):
        await server.call("HSET", KEYS.admitted, f"tier-{number}", "garbage")
    problems = (await store.read_admitted()).problems
    assert (6, "and 95 more") == (len(problems), problems[-1])


async def test_b4_a_hash_with_too_many_fields_is_reported_and_not_read(
    server: RedisServer, store: RedisStore
) -> None:
    words = [str(number) for number in range(1, 5002) for _ in range(2)]
    await server.call("HSET", KEYS.admitted, *words)
    admitted = await store.read_admitted()
    assert ({}, (f"{KEYS.admitted} has 5001 fields, at most 5000 are read",)) == (
        admitted.totals,
        admitted.problems,
    )


async def test_b4_a_key_of_another_type_is_reported(server: RedisServer, store: RedisStore) -> None:
    await server.call("SET", KEYS.admitted, 7)
    assert AdmittedTotals({}, (f"{KEYS.admitted} is not a hash",)) == await store.read_admitted()


# Additions that fail.


async def test_an_addition_refused_as_a_whole_may_be_repeated(
    server: RedisServer, store: RedisStore
) -> None:
    await server.call("SET", KEYS.admitted, 7)
    error = await failure_of(store.add_admitted({"standard": 1, "critical": 1}))
    assert not isinstance(error, UnclearError)


async def test_an_addition_refused_in_part_must_not_be_repeated(
    server: RedisServer, store: RedisStore
) -> None:
    await server.call("HSET", KEYS.admitted, "standard", "garbage")
    error = await failure_of(store.add_admitted({"standard": 1, "critical": 1}))
    assert isinstance(error, UnclearError)
    assert {"critical": 1} == (await store.read_admitted()).totals


async def test_b3_an_addition_without_redis_may_be_repeated(
    server: RedisServer, store: RedisStore
) -> None:
    await store.add_admitted({"standard": 1})
    server.kill()
    error = await failure_of(store.add_admitted({"standard": 2}))
    assert ("connection", False) == (error.kind, isinstance(error, UnclearError))


async def test_b3_an_addition_on_a_full_redis_may_be_repeated(
    server: RedisServer, store: RedisStore
) -> None:
    await server.call("CONFIG SET", "maxmemory", 1)
    error = await failure_of(store.add_admitted({"standard": 2}))
    assert ("out_of_memory", False) == (error.kind, isinstance(error, UnclearError))
    await server.call("CONFIG SET", "maxmemory", 0)
    await store.add_admitted({"standard": 2})
    assert AdmittedTotals({"standard": 2}) == await store.read_admitted()


async def test_b3_an_addition_on_a_replica_may_be_repeated(
    rig: Rig, server: RedisServer, open_store: OpenStore
) -> None:
    replica = RedisServer(rig, "replica", replica_of(server))
    await replica.start()
    error = await failure_of(open_store(RedisSettings(url=replica.url)).add_admitted({"a": 1}))
    assert ("read_only", False) == (error.kind, isinstance(error, UnclearError))


async def test_b3_an_idle_connection_that_redis_closed_loses_no_counts(
    server: RedisServer, store: RedisStore
) -> None:
    await store.add_admitted({"standard": 1})
    await server.call("CLIENT KILL", "TYPE", "normal", "SKIPME", "yes")
    await store.add_admitted({"standard": 2})
    assert AdmittedTotals({"standard": 3}) == await store.read_admitted()


class LosesAnswers:
    """A Redis server of a few lines: answers PING, and ends the connection at HINCRBY."""

    def __init__(self) -> None:
        self.additions = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(4096):
            if b"HINCRBY" in data:
                self.additions += 1
                break
            writer.write(b"+PONG\r\n" if b"PING" in data else b"+OK\r\n")
        writer.close()


@pytest.fixture
async def losing() -> AsyncIterator[tuple[LosesAnswers, RedisSettings]]:
    fake = LosesAnswers()
    async with await asyncio.start_server(fake.serve, LOOPBACK, 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield fake, RedisSettings(url=f"redis://{LOOPBACK}:{port}/0")


async def test_b3_an_addition_whose_answer_is_lost_is_unclear_and_sent_once(
    losing: tuple[LosesAnswers, RedisSettings],
) -> None:
    fake, settings = losing
    store = RedisStore(settings, cluster=CLUSTER)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(UnclearError):
            await store.add_admitted({"standard": 1})
    await store.close()
    assert 1 == fake.additions
