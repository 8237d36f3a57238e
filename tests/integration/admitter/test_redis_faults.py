"""What becomes of the decision when Redis fails in every way (R1 to R3, R6 to R11, E4, E5)."""

import datetime as dt

import pytest
from redis.asyncio import Redis

from shield_common.store.keys import Keys
from shield_common.store.settings import RedisSettings, SentinelSettings
from tests.integration.admitter.publisher import CLUSTER, Publisher
from tests.integration.admitter.relay import Relay
from tests.integration.admitter.site import WITHIN, Site
from tests.rig.certificates import Authority
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.redis_sentinel import MASTER_NAME, RedisSentinel, replica_of
from tests.rig.server import start_all
from tests.rig.services import JumpyAdmitter
from tests.rig.waiting import wait_until

KEYS = Keys(CLUSTER)


def client(server: RedisServer) -> Redis:
    return Redis(host=LOOPBACK, port=server.port, protocol=2)


async def denying(site: Site) -> None:
    """Start with a decision that denies, so that a false admission shows."""
    site.publisher.allow = False
    async with site.publisher.beating():
        await site.admitter.start()
        await site.until_admits(admits=False)


async def in_step(site: Site) -> None:
    """Wait until a decision that is published now is followed."""
    allow = not await site.admitter.admits()

    async def followed() -> bool:
        return allow == await site.admitter.admits()

    site.publisher.allow = allow
    async with site.publisher.beating():
        await wait_until(followed, within=WITHIN, what="the admitter to be in step")


async def updates(site: Site, source: str, result: str) -> float:
    return await site.metric("decision_updates_total", source=source, result=result)


async def until_counted(site: Site, source: str, result: str, *, beyond: float = 0.0) -> None:
    """Wait until the admitter has met such a document, more often than so many times."""

    async def met() -> bool:
        return beyond < await updates(site, source, result)

    await wait_until(met, within=WITHIN, what=f"{result} by {source}")


async def test_r1_a_killed_redis_keeps_the_last_decision_and_comes_back(site: Site) -> None:
    await denying(site)
    site.redis.kill()
    await site.until_metric("redis_up", 0.0)
    assert not await site.allowed()
    assert await site.admitter.is_ready()
    await site.redis.start()
    await in_step(site)
    await site.until_metric("redis_up", 1.0)


async def test_r2_a_frozen_redis_delays_no_request_and_decisions_age_on_time(site: Site) -> None:
    site.admitter.config["freshness"] = {"stale_after": "2s", "expired_after": "15s"}
    await denying(site)
    site.redis.freeze()
    await site.until_metric("decision_freshness", 1.0, state="stale")
    # If each waited for Redis' time limit (1 s), the decision would expire before the last.
    assert [False] * 30 == [await site.allowed() for _ in range(30)]
    await site.until_metric("decision_freshness", 1.0, state="expired")
    assert await site.allowed()
    site.redis.thaw()
    await in_step(site)


async def test_r3_flushall_admits_nothing_and_the_next_decision_is_followed(site: Site) -> None:
    await denying(site)
    async with client(site.redis) as redis:
        await redis.flushall()
    await site.until_metric("redis_up", 1.0)
    await until_counted(site, "get", "absent")
    assert not await site.allowed()
    await in_step(site)


async def test_r6_a_deleted_key_changes_nothing_until_the_decision_ages(site: Site) -> None:
    site.admitter.config["freshness"] = {"stale_after": "2s", "expired_after": "15s"}
    await denying(site)
    async with client(site.redis) as redis:
        await redis.delete(KEYS.decision)
    await until_counted(site, "get", "absent")
    await site.until_metric("decision_freshness", 1.0, state="stale")
    assert not await site.allowed()
    await site.until_metric("decision_freshness", 1.0, state="expired")
    assert await site.allowed()


async def test_r7_after_a_failover_the_new_master_is_followed(
    rig: Rig, authority: Authority
) -> None:
    master = RedisServer(rig, "master")
    await master.start()
    replica = RedisServer(rig, "replica", replica_of(master))
    sentinel = RedisSentinel(rig, master)
    await start_all(replica, sentinel)
    site = Site(rig, master, authority)
    addresses = {"master": MASTER_NAME, "addresses": [sentinel.address]}
    site.admitter.config["redis"] = {"url": "redis:///0", "sentinel": addresses}
    site.publisher = Publisher(
        RedisSettings(
            url="redis:///0",
            sentinel=SentinelSettings(master=MASTER_NAME, addresses=(sentinel.address,)),
        )
    )
    await denying(site)
    master.freeze()
    await in_step(site)
    await site.close()
    master.thaw()


async def test_r8_a_cut_connection_is_made_again_without_a_hot_loop(site: Site) -> None:
    await denying(site)
    async with client(site.redis) as redis:
        before = (await redis.info("stats"))["total_connections_received"]

        async def listens() -> bool:
            return bool(await redis.client_list(_type="pubsub"))

        for _ in range(5):
            for kind in ("normal", "pubsub"):
                await redis.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
            await wait_until(listens, within=WITHIN, what="another subscription")
        await in_step(site)
        after = (await redis.info("stats"))["total_connections_received"]
    assert 60 > after - before


async def refusals_within(seconds: float, site: Site, redis: Redis) -> tuple[int, float]:
    """Return how often Redis refused a connection, and in how many of the admitter's seconds."""

    async def now() -> tuple[int, float]:
        refused = int((await redis.info("stats"))["rejected_connections"])
        return refused, await site.metric("decision_age_seconds")

    async def over() -> bool:
        return (await now())[1] >= began + seconds

    before, began = await now()
    await wait_until(over, within=WITHIN, what=f"{seconds:g} s to pass for the admitter")
    after, ended = await now()
    return after - before, ended - began


@pytest.mark.shows("trial T12")
async def test_r8_a_redis_without_free_connections_is_retried_with_backoff(site: Site) -> None:
    await denying(site)
    async with client(site.redis) as redis:
        await redis.config_set("maxclients", 1)
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")  # type: ignore[no-untyped-call]
        await redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")  # type: ignore[no-untyped-call]
        await site.until_metric("redis_up", 0.0)
        assert not await site.allowed()
        tries, seconds = await refusals_within(3, site, redis)
        assert 1 <= tries <= 10 * seconds
        await redis.config_set("maxclients", 100)
    await in_step(site)
    complaints = [line for line in site.log() if "the store does not answer" == line["event"]]
    assert len({line["kind"] for line in complaints}) == len(complaints)


async def test_r9_a_rotated_password_needs_no_restart(rig: Rig, authority: Authority) -> None:
    redis = RedisServer(rig, "redis", RedisOptions(password="first"))
    await redis.start()
    password = rig.directory / "password"
    password.write_text("first\n")
    site = Site(rig, redis, authority)
    site.admitter.config["redis"] |= {"password_file": str(password)}
    site.publisher = Publisher(RedisSettings(url=redis.url, password_file=str(password)))
    await denying(site)
    async with Redis(host=LOOPBACK, port=redis.port, password="first", protocol=2) as admin:
        await admin.config_set("requirepass", "second")
        password.write_text("second\n")
        for kind in ("normal", "pubsub"):
            await admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")  # type: ignore[no-untyped-call]
    await in_step(site)
    await site.close()


async def test_r9_a_redis_with_another_name_in_its_certificate_is_refused(
    rig: Rig, authority: Authority
) -> None:
    # Valid for the address, but the admitter asks for a host name.
    redis = RedisServer(rig, "redis", RedisOptions(tls=authority.server("redis", names=[LOOPBACK])))
    await redis.start()
    site = Site(rig, redis, authority)
    site.admitter.config |= {
        "redis": {
            "url": redis.url.replace(LOOPBACK, "localhost"),
            "ca_file": str(authority.ca_file),
        },
        "startup_grace": "0s",
    }
    await site.admitter.start()
    complaint = "certificate verify failed"
    await wait_until(lambda: complaint in site.admitter.log_tail(), within=WITHIN, what=complaint)
    assert 0.0 == await site.metric("redis_up")
    await site.close()


async def test_r10_a_half_open_connection_is_noticed(site: Site) -> None:
    async with Relay(site.redis.port) as relay:
        site.admitter.config |= {"redis": {"url": f"redis://{LOOPBACK}:{relay.port}/0"}}
        # Refreshes must not be what helps: only the subscription's watchdog is left.
        site.admitter.config["refresh"] = "10m"
        await denying(site)
        before = relay.accepted
        relay.stall()
        await wait_until(
            lambda: relay.accepted > before, within=WITHIN, what="another connection to Redis"
        )
        await in_step(site)


GARBAGE = [
    (b"", "malformed"),
    (b"\xff", "malformed"),
    (b"{}", "malformed"),
    (b'{"schema":2}', "schema"),
    (b"[" * 100_000, "malformed"),
]


@pytest.mark.parametrize("source", ["get", "subscription"])
async def test_r11_garbage_keeps_the_last_good_decision(site: Site, source: str) -> None:
    await denying(site)
    older = Publisher(RedisSettings(url=site.redis.url), epoch=6).document(allow=True)
    async with client(site.redis) as redis:
        for document, result in (*GARBAGE, (older, "older")):
            if source == "subscription" and not document:
                continue  # `check` publishes it to try its rights; it is not counted
            before = await updates(site, source, result)
            if source == "get":
                await redis.set(KEYS.decision, document, px=60_000)
            else:
                await redis.publish(KEYS.decision, document)
            await until_counted(site, source, result, beyond=before)
            assert not await site.allowed()
    await in_step(site)


@pytest.mark.parametrize("on_unknown", ["allow", "deny"])
async def test_e4_without_an_evaluator_the_decision_ages_until_the_policy_speaks(
    site: Site, on_unknown: str
) -> None:
    site.admitter.config["freshness"] = {
        "stale_after": "2s",
        "expired_after": "12s",
        "on_unknown": on_unknown,
    }
    site.publisher.allow = on_unknown == "deny"
    async with site.publisher.beating():
        await site.admitter.start()
    for state in ("stale", "expired"):
        await site.until_metric("decision_freshness", 1.0, state=state)
    assert (on_unknown == "allow") == await site.allowed()
    assert 12.0 <= await site.metric("decision_age_seconds")


@pytest.mark.parametrize("hours", [-1, 1])
async def test_e5_a_writer_whose_clock_is_off_changes_nothing(site: Site, hours: int) -> None:
    site.publisher.skew_seconds = dt.timedelta(hours=hours).total_seconds()
    await denying(site)
    assert 1.0 == await site.metric("decision_freshness", state="fresh")
    await in_step(site)


@pytest.mark.parametrize("hours", [-1, 1])
async def test_e5_an_admitter_whose_clock_jumps_holds_the_decision_as_it_was(
    site: Site, hours: int
) -> None:
    jumpy = JumpyAdmitter(site.rig, site.admitter.config, site.admitter.certificate, "jumpy")
    site.admitter = jumpy
    await denying(site)
    jumpy.clock.set(round(dt.timedelta(hours=hours).total_seconds()))
    assert not await site.allowed()
    assert 1.0 == await site.metric("decision_freshness", state="fresh")
    await in_step(site)
    written = [dt.datetime.fromisoformat(line["timestamp"]) for line in site.log()]
    # The clock really was wrong, by an hour and not by the test's own duration.
    assert dt.timedelta(minutes=50) < max(written) - min(written)
