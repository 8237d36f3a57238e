"""The beginning and the end of an admitter, alone and beside another one (A19 to A21)."""

import asyncio
import os

import pytest

from tests.integration.admitter.http_client import connected, post
from tests.integration.admitter.load import WORKERS, Load
from tests.integration.admitter.site import WITHIN, Site, config
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.server import start_all
from tests.rig.services import Admitter
from tests.rig.waiting import wait_until

# Each of the two admitters is replaced half of these times.
RESTARTS = int(os.environ.get("SHIELD_TEST_RESTARTS", "6"))


async def listening(site: Site) -> None:
    async def connects() -> bool:
        try:
            (await site.connect()).close()
        except OSError:
            return False
        return True

    await wait_until(connects, within=WITHIN, what="an admitter that listens")


async def test_a19_before_the_first_decision_the_answer_is_503_and_not_ready(site: Site) -> None:
    site.admitter.config["startup_grace"] = "10m"
    site.admitter.launch()
    await listening(site)
    response = await site.review()
    assert (503, "1", True) == (
        response.status,
        response.headers["retry-after"],
        response.closes,
    )
    assert not await site.admitter.is_ready()
    await site.publisher.publish(allow=True)
    await site.admitter.wait_ready()
    assert await site.allowed()


@pytest.mark.parametrize("on_unknown", ["allow", "deny"])
async def test_a19_after_the_grace_on_unknown_decides(site: Site, on_unknown: str) -> None:
    site.admitter.config |= {"startup_grace": "100ms", "freshness": {"on_unknown": on_unknown}}
    await site.admitter.start()
    assert (on_unknown == "allow") == await site.allowed()


async def test_a20_sigterm_fails_readiness_before_it_closes(site: Site) -> None:
    site.admitter.config["drain"] = "3s"
    await site.publisher.publish(allow=True)
    await site.admitter.start()
    async with connected(site.admitter.port, site.trust) as client:
        request = post(admission_review(ReviewRequest()))
        assert not (await client.ask(request)).closes
        stopping = asyncio.create_task(site.admitter.stop(within=WITHIN))

        async def unready() -> bool:
            return not await site.admitter.is_ready()

        await wait_until(unready, within=WITHIN, what="readiness to fail")
        assert (await client.ask(request)).closes
    assert 0 == await stopping


async def test_a20_a_request_in_flight_at_the_end_of_the_drain_is_answered(site: Site) -> None:
    site.admitter.config["drain"] = "0s"
    await site.publisher.publish(allow=True)
    await site.admitter.start()
    request = post(admission_review(ReviewRequest()))
    async with connected(site.admitter.port, site.trust) as client:
        await client.send(request[:-10])
        await site.until_metric("admission_in_flight", 1.0)
        stopping = asyncio.create_task(site.admitter.stop(within=WITHIN))
        await wait_until(
            lambda: "draining" in site.admitter.log_tail(), within=WITHIN, what="SIGTERM"
        )
        assert 200 == (await client.ask(request[-10:])).status
    assert 0 == await stopping


@pytest.mark.long
async def test_a20_two_admitters_are_restarted_in_turn_without_a_failed_request(site: Site) -> None:
    # Long enough for a busy machine to use every kept connection once; the default is 10 s.
    drain = {"drain": "3s"}
    site.admitter.config |= drain
    second = Admitter(
        site.rig, config(site.redis.url, **drain), site.authority.server("second"), "admitter-2"
    )
    admitters = [site.admitter, second]
    async with site.publisher.beating():
        await start_all(*admitters)
        async with Load(admitters, site.trust, rate=300) as load:
            for number in range(RESTARTS):
                admitter = admitters[number % 2]
                assert 0 == await admitter.stop(within=WITHIN)
                await admitter.start()
    assert ([], True) == (load.failures, load.answered > 0)


async def test_a21_a_killed_admitter_costs_at_most_what_was_in_flight(site: Site) -> None:
    second = Admitter(
        site.rig, config(site.redis.url), site.authority.server("second"), "admitter-2"
    )
    admitters = [site.admitter, second]
    async with site.publisher.beating():
        await start_all(*admitters)
        async with Load(admitters, site.trust, rate=200) as load:
            await wait_until(lambda: load.answered > 100, within=WITHIN, what="some load")
            site.admitter.kill()
            so_far = load.answered
            await wait_until(
                lambda: load.answered > so_far + 200, within=WITHIN, what="load on the other"
            )
    assert WORKERS >= len(load.failures)


async def test_a_stored_decision_ends_the_grace(site: Site) -> None:
    await site.publisher.publish(allow=False)
    site.admitter.config["startup_grace"] = "10m"
    await site.admitter.start(within=WITHIN)
    assert not await site.allowed()
