"""What hostile or broken clients send, and that the next request is answered."""

import gzip
import json
from collections.abc import AsyncIterator

import pytest

from tests.integration.admitter.http_client import Response, chunked, connected, post
from tests.integration.admitter.site import Site
from tests.rig.reviews import ReviewRequest, admission_review

pytestmark = pytest.mark.asyncio(loop_scope="module")

MEBIBYTE = 1024 * 1024
MAX_BODY = 8 * MEBIBYTE
VALID = admission_review(ReviewRequest(uid="u-1"))


@pytest.fixture(autouse=True)
async def _still_well(shared: Site) -> AsyncIterator[None]:
    yield
    assert 200 == (await shared.review()).status
    assert not [line for line in shared.log() if "exception" in line]


def document(**changes: object) -> bytes:
    return json.dumps(json.loads(VALID) | changes).encode()


def nested(levels: int) -> bytes:
    review = json.loads(VALID)
    review["request"]["object"] = "HERE"
    deep = b'{"a":' * levels + b"1" + b"}" * levels
    return json.dumps(review).encode().replace(b'"HERE"', deep)


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", b"{}", document(request=None), document(request={"uid": 7})],
    ids=["empty", "null", "list", "empty object", "no request", "number as uid"],
)
async def test_a1_a_body_that_is_no_review_is_answered_400(shared: Site, body: bytes) -> None:
    response = await shared.ask(post(body))
    assert (400, {"error"}) == (response.status, set(json.loads(response.body)))


@pytest.mark.parametrize(
    "body",
    [document(apiVersion="admission.k8s.io/v1beta1"), document(kind="ConversionReview")],
    ids=["v1beta1", "another kind"],
)
async def test_a2_an_unserved_version_is_answered_400_with_the_served_one(
    shared: Site, body: bytes
) -> None:
    response = await shared.ask(post(body))
    assert 400 == response.status
    assert "admission.k8s.io/v1 AdmissionReview" in json.loads(response.body)["error"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (VALID.replace(b"u-1", b"\xff"), 400),
        (VALID.replace(b"u-1", b"\\ud800"), 400),
        (VALID.replace(b'"u-1"', b"9" * 5000), 400),
        (VALID.replace(b'"u-1"', b"NaN"), 400),
        (VALID.replace(b'"u-1"', b'"u-1","uid":"u-2"'), 200),
        (nested(200_000), 400),
        (nested(500), 200),
        (nested(5_000), 400),
        (b"[" * 200_000, 400),
    ],
    ids=[
        "bad UTF-8",
        "lone surrogate",
        "5,000 digits",
        "NaN",
        "two uids",
        "200,000 levels",
        "500 levels",
        "5,000 levels",
        "200,000 brackets",
    ],
)
async def test_a3_odd_json_is_answered_and_the_process_lives(
    shared: Site, body: bytes, status: int
) -> None:
    assert status == (await shared.ask(post(body))).status


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (post(VALID, content_type="text/plain"), 415),
        (post(VALID, target="/elsewhere"), 404),
        (post(VALID, target="*"), 404),
        (post(b"", method="GET"), 405),
        (post(VALID, method="PUT"), 405),
        (post(VALID, content_type="application/json; charset=utf-8"), 200),
        (post(VALID, target="/validate?timeout=3s"), 200),
        (post(VALID, target="/validate-resource"), 200),
        (post(VALID, target="/validate-tekton-dev-v1-pipelinerun"), 200),
    ],
    ids=[
        "content type",
        "path",
        "asterisk",
        "GET",
        "PUT",
        "charset",
        "A6: timeout in the query",
        "older path",
        "Kubebuilder's path",
    ],
)
async def test_a5_a_wrong_path_method_or_type_is_refused_by_the_head(
    shared: Site, request_: bytes, status: int
) -> None:
    assert status == (await shared.ask(request_)).status


async def test_a5_a_gzip_bomb_is_refused_without_inflating(shared: Site) -> None:
    bomb = gzip.compress(b" " * 64 * MEBIBYTE)
    before = shared.rss()
    response = await shared.ask(post(bomb, "Content-Encoding: gzip"))
    assert 415 == response.status
    assert 16 * MEBIBYTE > shared.rss() - before


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 3 * MEBIBYTE, 7 * MEBIBYTE])
@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunks"])
async def test_a7_large_reviews_are_judged(shared: Site, size: int, in_chunks: bool) -> None:
    body = admission_review(ReviewRequest(uid="large", size=size))
    response = await shared.ask(chunked(body) if in_chunks else post(body))
    assert (200, "large") == (response.status, response.review["uid"])


@pytest.mark.parametrize(
    "request_",
    [post(b" " * (MAX_BODY + 1)), chunked(b" " * (MAX_BODY + 1))],
    ids=["length", "chunks"],
)
async def test_a8_a_body_above_the_limit_is_refused(shared: Site, request_: bytes) -> None:
    response = await shared.ask(request_)
    assert (413, True) == (response.status, response.closes)


async def test_a8_endless_chunks_take_bounded_memory(shared: Site) -> None:
    await shared.review()
    before = shared.rss()
    head = (
        b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
    for _ in range(5):
        async with connected(shared.admitter.port, shared.trust) as client:
            await client.send(head)
            for _ in range(20 * MEBIBYTE // 65536):
                await client.send(chunk)
            assert 413 == (await client.receive()).status
    assert 2 * MAX_BODY > shared.rss() - before


@pytest.mark.parametrize(
    "request_",
    [
        post(VALID).replace(b"\r\n", b"\n", 1),
        post(VALID).replace(b"\r\n", b"\n"),
        post(VALID, "Transfer-Encoding: chunked"),
        post(VALID, f"Content-Length: {len(VALID)}"),
        b"\x16\x03\x01 nonsense\r\n\r\n",
        b"GET / HTTP/9.9.9\r\n\r\n",
    ],
    ids=["one line feed", "line feeds", "two lengths", "repeated length", "nonsense", "version"],
)
async def test_a11_ambiguous_requests_are_answered_400_and_closed(
    shared: Site, request_: bytes
) -> None:
    async with connected(shared.admitter.port, shared.trust) as client:
        response = await client.ask(request_)
        assert (400, True) == (response.status, response.closes)
        assert await client.closed(within=10)


async def test_requests_may_follow_each_other_on_one_connection(shared: Site) -> None:
    async with connected(shared.admitter.port, shared.trust) as client:
        requests = [post(admission_review(ReviewRequest(uid=f"u-{n}"))) for n in range(50)]
        await client.send(
            b"\r\n".join(requests)
        )  # pipelined, with the empty lines that RFC 9112 allows
        uids = [(await client.receive()).review["uid"] for _ in requests]
    assert [f"u-{n}" for n in range(50)] == uids


async def test_a_request_may_arrive_byte_by_byte(shared: Site) -> None:
    body = admission_review(ReviewRequest(uid="slow", size=1_300))
    async with connected(shared.admitter.port, shared.trust) as client:
        for byte in post(body):
            await client.send(bytes([byte]))
        assert "slow" == (await client.receive()).review["uid"]


async def test_a_client_that_expects_100_continue_gets_it(shared: Site) -> None:
    body = admission_review(ReviewRequest(uid="patient", size=300_000))
    request = post(body, "Expect: 100-continue")
    head = request[: -len(body)]
    async with connected(shared.admitter.port, shared.trust) as client:
        assert 100 == (await client.ask(head)).status
        assert "patient" == (await client.ask(body)).review["uid"]


def denial(response: Response) -> tuple[bool, int | None]:
    status = response.review.get("status", {})
    return response.review["allowed"], status.get("code")


async def test_a18_a_dry_run_gets_the_same_answer(shared: Site) -> None:
    answers = [denial(await shared.review(dry_run=dry_run)) for dry_run in (False, True)]
    assert [(False, 429)] * 2 == answers


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "CONNECT"])
async def test_a18_other_operations_are_admitted_and_counted(shared: Site, operation: str) -> None:
    labels = {"verdict": "admitted", "tier": "", "reason": "not_judged"}
    before = await shared.metric("admission_requests_total", **labels)
    assert (True, None) == denial(await shared.review(operation=operation))
    assert before + 1 == await shared.metric("admission_requests_total", **labels)


async def test_a18_other_kinds_and_subresources_are_admitted(shared: Site) -> None:
    review = json.loads(VALID)
    review["request"]["subResource"] = "status"
    answers = [
        await shared.review(kind="TaskRun"),
        await shared.ask(post(json.dumps(review).encode())),
    ]
    assert [(True, None)] * 2 == [denial(answer) for answer in answers]


async def test_a_denial_has_the_words_and_fields_that_clients_match(shared: Site) -> None:
    status = (await shared.review()).review["status"]
    assert (
        "PipelineRun admission currently not allowed: etcd is at 93.4% of its quota"
        " (denied since 09:58:10Z, until below 80%). Tier: standard."
    ) == status["message"]
    assert 15 <= status["details"]["retryAfterSeconds"] <= 45
