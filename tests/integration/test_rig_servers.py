"""The servers of the rig behave as the other tests assume."""

import ssl

import aiohttp
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from tests.rig.certificates import Authority
from tests.rig.errors import RigError
from tests.rig.etcd import MEBIBYTE, EtcdCluster, EtcdServer
from tests.rig.etcd_client import EtcdClient, NoSpaceError
from tests.rig.lifetime import Rig
from tests.rig.ports import LOOPBACK
from tests.rig.prometheus import PrometheusOptions, PrometheusServer
from tests.rig.redis import RedisOptions, RedisServer
from tests.rig.waiting import wait_until

SECONDS = 10.0  # to wait for what takes some milliseconds on an idle machine
LARGE_VALUE = bytes(MEBIBYTE)
MORE_THAN_FITS = 20


async def fill(etcd: EtcdClient) -> None:
    for number in range(MORE_THAN_FITS):
        await etcd.put(f"/runs/{number}", LARGE_VALUE)


async def test_a_killed_redis_restarts_empty(redis: RedisServer) -> None:
    async with Redis.from_url(redis.url) as client:
        await client.set("key", "value")
        assert b"value" == await client.get("key")
        assert {"maxmemory-policy": "noeviction"} == await client.config_get("maxmemory-policy")
    redis.kill()
    await redis.start()
    async with Redis.from_url(redis.url) as client:
        assert await client.get("key") is None


async def test_redis_with_tls_and_users_admits_only_the_right_password(
    rig: Rig, authority: Authority
) -> None:
    options = RedisOptions(
        password="secret",
        users=["shield on >pass ~etcd-shield:* &etcd-shield:* +@all"],
        tls=authority.server(),
        client_certificates=True,
    )
    redis = RedisServer(rig, options=options)
    await redis.start()
    client = authority.client("shield")

    def connection(password: str) -> Redis:
        return Redis.from_url(
            redis.url,
            username="shield",
            password=password,
            ssl_ca_certs=str(authority.ca_file),
            ssl_certfile=str(client.cert_file),
            ssl_keyfile=str(client.key_file),
        )

    async with connection("pass") as known:
        assert await known.ping()
    async with connection("wrong") as stranger:
        with pytest.raises(AuthenticationError):
            await stranger.ping()


async def test_etcd_deletes_ranges_and_keeps_the_rest_after_a_kill(etcd: EtcdServer) -> None:
    client = etcd.client
    for name in ("/runs/a", "/runs/b", "/runs/c", "/other"):
        await client.put(name, name.encode())
    assert (b"/runs/a", None) == (await client.get("/runs/a"), await client.get("/runs/z"))
    assert 2 == await client.delete_range("/runs/a", "/runs/c")
    assert 1 == await client.count("/runs/")
    assert 1 == await client.delete_prefix("/runs/")
    etcd.kill()
    await etcd.start()
    assert b"/other" == await client.get("/other")


async def test_etcd_raises_nospace_at_its_quota_and_a_defragmentation_gives_space_back(
    rig: Rig,
) -> None:
    etcd = EtcdServer(rig, quota_bytes=8 * MEBIBYTE)
    await etcd.start()
    client = etcd.client
    with pytest.raises(NoSpaceError, match="etcdserver: mvcc: database space exceeded"):
        await fill(client)
    assert {"NOSPACE"} == await client.alarms()
    full = (await client.status()).db_size
    await client.delete_prefix("/runs/")
    await client.compact()
    assert full <= (await client.status()).db_size
    await client.defragment()
    assert (await client.status()).db_size < MEBIBYTE
    await client.disarm("NOSPACE")
    assert frozenset() == await client.alarms()
    await client.put("/runs/again", b"fits")


async def test_a_full_etcd_becomes_ready_after_a_restart(rig: Rig) -> None:
    etcd = EtcdServer(rig, quota_bytes=2 * MEBIBYTE)
    await etcd.start()
    with pytest.raises(NoSpaceError):
        await fill(etcd.client)
    etcd.kill()
    await etcd.start()
    assert {"NOSPACE"} == await etcd.client.alarms()


async def test_an_etcd_cluster_answers_without_one_of_its_members(rig: Rig) -> None:
    cluster = EtcdCluster(rig, size=3)
    await cluster.start()
    await cluster.client.put("key", b"value")
    cluster.members[2].kill()

    async def is_served() -> bool:
        try:
            return b"value" == await cluster.client.get("key")
        except RigError:  # the killed member may have been the leader
            return False

    await wait_until(is_served, within=SECONDS, what="the other two to answer")
    await cluster.members[2].start()
    assert b"value" == await cluster.members[2].client.get("key")


async def test_prometheus_scrapes_its_configured_targets(rig: Rig, etcd: EtcdServer) -> None:
    options = PrometheusOptions(jobs={"etcd": [etcd.target]}, scrape_interval="200ms")
    prometheus = PrometheusServer(rig, options=options)
    await prometheus.start()
    await prometheus.wait_scraped()
    quota = await prometheus.query("etcd_server_quota_backend_bytes")
    assert {etcd.target: etcd.quota_bytes} == quota


async def test_a_certificate_is_trusted_for_loopback_under_its_authority_only(
    rig: Rig, authority: Authority
) -> None:
    redis = RedisServer(rig, options=RedisOptions(tls=authority.server()))
    await redis.start()
    assert await redis.is_ready()
    stranger = Authority(rig.directory / "stranger").client_context()
    with pytest.raises(aiohttp.ClientConnectorCertificateError):
        await rig.http.get(f"https://{LOOPBACK}:{redis.port}", ssl=stranger)


def test_a_reissued_certificate_replaces_its_files(authority: Authority) -> None:
    first = authority.server("webhook")
    before = first.cert_file.read_bytes()
    assert first == authority.server("webhook")
    assert before != first.cert_file.read_bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(first.cert_file, first.key_file)  # they belong together
