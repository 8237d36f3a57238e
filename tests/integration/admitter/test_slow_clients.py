"""Clients that never finish or never read (A10), and more clients than allowed."""

import asyncio
import json
import socket
from contextlib import ExitStack, closing, suppress

import pytest

from shield_admitter.http.limits import BODY_POOL
from tests.integration.admitter.http_client import Client, chunked, connected, post
from tests.integration.admitter.load import Load
from tests.integration.admitter.site import Site, config
from tests.rig.ports import LOOPBACK
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.services import Admitter

# The deadlines are 5 s (handshake, head), 3 s (body) and 8 s (write); the unit tests check them
# with a stepped clock. The rest is for a busy machine.
PATIENCE = 20.0
HALF_HEAD = b"POST /validate HTTP/1.1\r\nHost: sh"
HALF_BODY = post(admission_review(ReviewRequest()))[:-100]
LARGE = 7_000_000
MEBIBYTE = 1024 * 1024
LARGE_HALF_BODY = post(admission_review(ReviewRequest(size=1_000_000)))[:-100]


class AdmitterWithFewFiles(Admitter):
    """May have 80 open files, and 160 when it asks for more."""

    def command(self) -> list[str]:
        limits = 'ulimit -Sn 80 && ulimit -Hn 160 && exec "$@"'
        return ["sh", "-c", limits, "sh", *super().command()]


async def many(site: Site, number: int) -> list[Client]:
    return await asyncio.gather(*(site.connect() for _ in range(number)))


async def ready(site: Site) -> None:
    await site.publisher.publish(allow=True)
    await site.admitter.start()


@pytest.mark.parametrize(
    ("begun", "number"),
    [
        pytest.param(HALF_HEAD, 500, id="head"),
        pytest.param(HALF_BODY, 100, id="body"),
        pytest.param(LARGE_HALF_BODY, 100, id="large body"),
    ],
)
async def test_a10_half_sent_requests_are_closed_and_others_answered(
    site: Site, begun: bytes, number: int
) -> None:
    doors = asyncio.Semaphore(20)  # hundreds of handshakes at once outlast the time for one

    async def begin() -> Client:
        async with doors:
            client = await site.connect()
            await client.send(begun)
        return client

    await ready(site)
    clients = await asyncio.gather(*(begin() for _ in range(number)))
    assert await site.allowed()
    answers = await asyncio.gather(*(client.receive() for client in clients))
    assert {408, 503} >= {answer.status for answer in answers}
    ends = await asyncio.gather(*(client.closed(within=PATIENCE) for client in clients))
    assert all(ends)
    await site.until_metric("connections", 0.0)


async def test_a10_500_connections_without_a_handshake_are_closed(site: Site) -> None:
    await ready(site)
    with ExitStack() as ends:
        sockets = [
            ends.enter_context(closing(socket.create_connection((LOOPBACK, site.admitter.port))))
            for _ in range(500)
        ]
        await site.until_metric("connections", 500.0)
        assert await site.allowed()
        await site.until_metric("connections", 0.0)
        for waiting in sockets:
            waiting.settimeout(PATIENCE)
            assert b"" == waiting.recv(1)
    assert not [line for line in site.log() if "exception" in line]


@pytest.mark.parametrize("silent", ["idle", "without a handshake"])
async def test_at_the_limit_the_longest_silent_connection_is_evicted(
    site: Site, silent: str
) -> None:
    site.admitter.config["max_connections"] = 16
    await ready(site)
    with ExitStack() as ends:
        if silent == "idle":
            for client in await many(site, 16):
                ends.callback(client.close)
        else:
            for _ in range(16):
                connection = socket.create_connection((LOOPBACK, site.admitter.port))
                ends.enter_context(closing(connection))
        await site.until_metric("connections", 16.0)
        assert await site.allowed()


async def test_at_the_limit_requests_in_flight_stay_and_new_clients_are_closed(site: Site) -> None:
    site.admitter.config["max_connections"] = 16
    await ready(site)
    clients = await many(site, 16)
    await asyncio.gather(*(client.send(HALF_BODY) for client in clients))
    await site.until_metric("admission_in_flight", 16.0)
    with pytest.raises((ConnectionError, OSError)):
        await site.allowed()
    rest = post(admission_review(ReviewRequest()))[-100:]
    answers = await asyncio.gather(*(client.ask(rest) for client in clients))
    assert [200] * 16 == [answer.status for answer in answers]
    for client in clients:
        client.close()


async def test_a10_declared_lengths_hold_no_memory_from_others(site: Site) -> None:
    await ready(site)
    clients = await many(site, 10)
    body = post(admission_review(ReviewRequest(size=8_000_000)))
    await asyncio.gather(*(client.send(body[:1_000]) for client in clients))
    await site.until_metric("admission_in_flight", 10.0)
    async with connected(site.admitter.port, site.trust) as other:
        large = post(admission_review(ReviewRequest(size=1_000_000)))
        assert 200 == (await other.ask(large)).status
    for client in clients:
        client.close()


async def test_a8_large_bodies_that_never_end_take_bounded_memory_together(site: Site) -> None:
    await ready(site)
    before = site.rss()
    review = post(admission_review(ReviewRequest(size=LARGE)))

    async def unfinished() -> int:
        async with connected(site.admitter.port, site.trust) as client:
            return (await client.ask(review[:-1])).status

    statuses = await asyncio.gather(*(unfinished() for _ in range(30)))
    # Those that got memory are too late, the others are asked to try again.
    assert {408, 503} >= set(statuses)
    # All of them would be 210 MB; the pool has 59 MB, and a body that grows is copied.
    assert 2 * BODY_POOL > site.peak_rss() - before
    assert 200 == (await site.ask(review)).status


@pytest.mark.shows("trial S3")
async def test_half_sent_heads_do_not_evict_a_connection_in_use(site: Site) -> None:
    site.admitter.config["max_connections"] = 16
    await ready(site)
    request = post(admission_review(ReviewRequest()))
    async with connected(site.admitter.port, site.trust) as api_server:
        assert 200 == (await api_server.ask(request)).status
        flood = []
        for _ in range(40):
            client = await site.connect()
            await client.send(HALF_HEAD)
            flood.append(client)
        assert 200 == (await api_server.ask(request)).status
        for client in flood:
            client.close()


@pytest.mark.shows("trial S1")
async def test_a_client_that_does_not_read_its_answers_is_closed(site: Site) -> None:
    await ready(site)
    before = site.rss()
    body = admission_review(ReviewRequest(size=1_300))
    async with connected(site.admitter.port, site.trust) as client:
        client.stop_reading()
        # Answers are two thirds of a small request: this is far more than all buffers take.
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                for _ in range(20_000):
                    await client.send_strictly(post(body) * 10)
        await site.until_metric("connections", 0.0)
    assert await site.allowed()
    assert 16 * 1024 * 1024 > site.rss() - before


@pytest.mark.shows("trial S1")
async def test_a_uid_of_megabytes_is_not_echoed(site: Site) -> None:
    await ready(site)
    before = site.rss()
    request = post(admission_review(ReviewRequest(uid="u" * 7_000_000, size=7_100_000)))
    for _ in range(5):
        response = await site.ask(request)
        assert (400, True) == (response.status, len(response.body) < 200)
    # One body at a time, which was copied while it grew.
    assert 48 * 1024 * 1024 > site.rss() - before


@pytest.mark.shows("trial S3")
async def test_a_body_in_one_byte_chunks_does_not_delay_others(site: Site) -> None:
    await ready(site)
    review = admission_review(ReviewRequest(size=200_000))

    async def flood() -> list[int]:
        return [(await site.ask(chunked(review, size=1))).status for _ in range(5)]

    async with Load([site.admitter], site.trust, rate=50) as load:
        statuses = await asyncio.gather(*(flood() for _ in range(4)))
    assert {400} == set().union(*statuses)
    assert [] == load.failures


@pytest.mark.shows("trial S3")
async def test_millions_of_groups_do_not_stop_the_event_loop(site: Site) -> None:
    site.admitter.config["tiers"] = [
        {"tier": "critical", "groups": [f"*a*b*{number}*"]} for number in range(20)
    ]
    await ready(site)
    review = json.loads(admission_review(ReviewRequest()))
    review["request"]["userInfo"]["groups"] = ["x"] * 1_500_000
    request = post(json.dumps(review, separators=(",", ":")).encode())
    async with Load([site.admitter], site.trust, rate=50) as load:
        for _ in range(5):
            assert 200 == (await site.ask(request)).status
    assert [] == load.failures
    assert 2.0 > max(load.seconds)


@pytest.mark.shows("trial S9")
async def test_more_clients_than_open_files_are_served(site: Site) -> None:
    site.admitter = AdmitterWithFewFiles(
        site.rig, config(site.redis.url), site.authority.server("few"), "few-files"
    )
    await ready(site)
    (warning,) = await site.logged("max_connections lowered")
    assert (1024, 96) == (warning["configured"], warning["max_connections"])
    with ExitStack() as ends:
        for _ in range(120):
            connection = socket.create_connection((LOOPBACK, site.admitter.port))
            ends.enter_context(closing(connection))
        assert await site.allowed()


HEADERS = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 8000) for number in range(30))


@pytest.mark.shows("trial S4")
@pytest.mark.parametrize(
    "begun",
    [
        pytest.param(b"GET /metrics HTTP/1.1\r\nHost: a\r\n" + HEADERS, id="half heads"),
        pytest.param(b"GET /" + b"a" * len(HEADERS), id="half request lines"),
        pytest.param(
            b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n" + HEADERS,
            id="half bodies",
        ),
    ],
)
async def test_600_half_requests_on_the_metrics_port_take_bounded_memory(
    site: Site, begun: bytes
) -> None:
    await ready(site)
    before = site.rss()
    writers = []
    for _ in range(600):
        _, writer = await asyncio.open_connection(LOOPBACK, site.admitter.metrics_port)
        writer.write(begun)
        writers.append(writer)
    for writer in writers:
        with suppress(ConnectionError):
            await writer.drain()
        writer.close()
    assert await site.metric("connections") >= 0
    assert 16 * MEBIBYTE > site.peak_rss() - before
