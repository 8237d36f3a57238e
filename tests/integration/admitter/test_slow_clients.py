"""Clients that begin and never finish (A10), and more clients than there is room for."""

import asyncio
import socket
from contextlib import ExitStack, closing

import pytest

from shield_admitter.http.limits import BODY_POOL
from tests.integration.admitter.http_client import Client, connected, post
from tests.integration.admitter.site import Site
from tests.rig.ports import LOOPBACK
from tests.rig.reviews import ReviewRequest, admission_review

# The server's deadlines are 5 s (handshake, head) and 3 s (body), which tests/unit checks on a
# stepped clock; the rest is what a busy machine may add before the test gets to look.
PATIENCE = 20.0
HALF_HEAD = b"POST /validate HTTP/1.1\r\nHost: sh"
HALF_BODY = post(admission_review(ReviewRequest()))[:-100]
LARGE = 7_000_000
LARGE_HALF_BODY = post(admission_review(ReviewRequest(size=1_000_000)))[:-100]


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
async def test_a10_half_sent_requests_are_reaped_and_disturb_nobody(
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


async def test_a10_500_connections_without_a_handshake_are_reaped(site: Site) -> None:
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
async def test_a_newcomer_takes_the_place_of_who_waits_longest(site: Site, silent: str) -> None:
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


async def test_beyond_the_cap_newcomers_go_and_requests_under_way_stay(site: Site) -> None:
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
    # Those that had memory are too late, those in line for it are told to come again.
    assert {408, 503} >= set(statuses)
    # All of them would be 210 MB; the pool is 59 MB, and a body that grows is copied.
    assert 2 * BODY_POOL > site.peak_rss() - before
    assert 200 == (await site.ask(review)).status
