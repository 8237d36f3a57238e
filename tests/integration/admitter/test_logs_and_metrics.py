"""What is written down about requests, and what never is (A9, A15 to A17)."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

import aiohttp

from tests.integration.admitter.http_client import connected, post
from tests.integration.admitter.load import Load
from tests.integration.admitter.site import WITHIN, Site
from tests.rig.reviews import ReviewRequest, admission_review
from tests.rig.waiting import wait_until

MEBIBYTE = 1024 * 1024


def denials(site: Site) -> Sequence[dict[str, Any]]:
    return [line for line in site.log() if "denied" == line["event"]]


async def start(site: Site, *, allow: bool) -> None:
    await site.publisher.publish(allow=allow)
    await site.admitter.start()


async def test_a_denial_is_one_line_that_says_who_what_and_why(site: Site) -> None:
    await start(site, allow=False)
    await site.review(user="ada", name="run-7", namespace="team")
    (line,) = await site.logged("denied")
    expected = {
        "level": "info",
        "tier": "standard",
        "reason": "shield",
        "why": "etcd is at 93.4% of its quota",
        "kind": "PipelineRun",
        "user": "ada",
        "name": "run-7",
        "namespace": "team",
    }
    assert expected == {key: line[key] for key in expected}


async def test_an_admission_is_not_logged(site: Site) -> None:
    await start(site, allow=True)
    await site.review()
    await site.admitter.stop()  # which writes every line
    assert [] == [line for line in site.log() if "admitted" in line["event"]]


async def test_a_flood_of_denials_is_counted_instead_of_logged(site: Site) -> None:
    await start(site, allow=False)
    request = post(admission_review(ReviewRequest(size=1_300)))
    started = time.monotonic()
    async with connected(site.admitter.port, site.trust) as client:
        for _ in range(300):
            assert 200 == (await client.ask(request)).status
    seconds = time.monotonic() - started

    def not_logged() -> int:
        return sum(line.get("not_logged", 0) for line in site.log())

    await wait_until(
        lambda: 300 == len(denials(site)) + not_logged(), within=WITHIN, what="every denial counted"
    )
    assert 10 * (seconds + 2) >= len(denials(site))


async def test_a15_hostile_names_stay_one_bounded_line(site: Site) -> None:
    await start(site, allow=False)
    names = ["a\nb", "\x1b[31mred", "n" * 10_240, '"}{"event":"forged"']
    for name in names:
        await site.review(name=name, user=name, namespace=name, size=60_000)
    assert len(names) == len(await site.logged("denied", at_least=len(names)))
    lines = site.admitter.child.log_file.read_text().splitlines()
    assert 8_192 > max(map(len, lines))
    assert "\x1b" not in "".join(lines)


async def exposition(site: Site) -> str:
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{site.admitter.metrics_url}/metrics") as response,
    ):
        return await response.text()


async def test_a16_ten_thousand_namespaces_and_users_add_no_series(site: Site) -> None:
    await start(site, allow=False)
    await site.review()
    before = len((await exposition(site)).splitlines())
    for batch in range(100):
        reviews = [
            ReviewRequest(namespace=f"n{n}", user=f"u{n}", name=f"r{n}", size=1_300)
            for n in range(100 * batch, 100 * batch + 100)
        ]
        async with connected(site.admitter.port, site.trust) as client:
            await client.send(b"".join(post(admission_review(review)) for review in reviews))
            assert [200] * 100 == [(await client.receive()).status for _ in reviews]
    assert before == len((await exposition(site)).splitlines())


async def test_a17_secrets_are_written_nowhere(site: Site) -> None:
    await start(site, allow=False)
    review = json.loads(admission_review(ReviewRequest()))
    review["request"]["object"]["spec"]["params"] = [{"name": "token", "value": "s3cr3t-value"}]
    review["request"]["object"]["metadata"]["annotations"] = {"password": "s3cr3t-value"}
    review["request"]["userInfo"]["extra"] = {"authorization": ["s3cr3t-value"]}
    body = json.dumps(review).encode()
    answers = [
        await site.ask(post(body, "Authorization: Bearer s3cr3t-value")),
        await site.ask(post(body[:-1], "Authorization: Bearer s3cr3t-value")),
        await site.ask(post(b'{"request":{"uid":{"s3cr3t-value":1}}}')),
        await site.ask(post(body, "Bad Header s3cr3t-value")),
    ]
    assert [200, 400, 400, 400] == [answer.status for answer in answers]
    seen = [answer.body for answer in answers]
    seen.append((await exposition(site)).encode())
    seen.append(site.admitter.child.log_file.read_bytes())
    stored = await site.publisher.store.read_decision()
    assert stored is not None
    seen.append(stored.document)
    assert not [text for text in seen if b"s3cr3t" in text]


async def test_a9_large_flat_objects_do_not_starve_the_others(site: Site) -> None:
    await start(site, allow=True)
    review = json.loads(admission_review(ReviewRequest()))
    review["request"]["object"] = "HERE"
    flat = b"[" + b"[]," * (5 * MEBIBYTE // 3) + b"[]]"
    body = post(json.dumps(review).encode().replace(b'"HERE"', flat))
    before = site.rss()
    async with Load([site.admitter], site.trust, rate=50) as load:
        for _ in range(20):
            assert 200 == (await site.ask(body)).status
            await asyncio.sleep(0)
    assert [] == load.failures
    # The API server gives a webhook 10 s by default; nobody waits for long.
    assert 5.0 > sorted(load.seconds)[len(load.seconds) * 99 // 100]
    assert 64 * MEBIBYTE > site.rss() - before
