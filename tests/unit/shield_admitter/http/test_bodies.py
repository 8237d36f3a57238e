"""How large bodies get their memory, and what many small chunks cost (A7, A8, A9, S3)."""

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.connection import State
from shield_admitter.http.limits import (
    BODY_POOL,
    BODY_STEP,
    MAX_CHUNKS,
    MAX_FRAMING,
    SMALL_BODY,
)
from tests.unit.shield_admitter.http.exchange import CHUNKED, REQUEST, Exchange

BODY = bytes(range(250)) * 2_000
READ = 50_000  # bytes that arrive together


def declared(body: bytes) -> bytes:
    return REQUEST.replace(b" 3\r\n", b" %d\r\n" % len(body)).replace(b"abc", body)


def in_chunks(body: bytes, *, size: int = 10_000) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


def reads(data: bytes) -> list[bytes]:
    return [data[start : start + READ] for start in range(0, len(data), READ)]


FORMS = pytest.mark.parametrize("form", [declared, in_chunks], ids=["declared", "chunks"])
Form = Callable[[bytes], bytes]


@FORMS
@given(cuts=st.lists(st.integers(1, 600), max_size=10))
def test_a_body_is_the_same_however_it_arrives(form: Form, cuts: list[int]) -> None:
    exchange = Exchange()
    data = form(BODY[:500])
    edges = [0, *sorted({cut for cut in cuts if cut < len(data)}), len(data)]
    parts = [data[start:end] for start, end in pairwise(edges)]
    assert ["200"] == exchange.receive(*parts)
    assert [BODY[:500]] == exchange.echo.bodies


@FORMS
def test_a9_a_length_that_is_only_declared_costs_nothing(exchange: Exchange, form: Form) -> None:
    exchange.receive(form(BODY)[: SMALL_BODY // 2])
    assert 0 == exchange.body_memory.used


@FORMS
def test_a7_memory_is_reserved_as_a_body_arrives(exchange: Exchange, form: Form) -> None:
    exchange.receive(*reads(form(BODY)[: BODY_STEP - 1_000]))
    assert BODY_STEP == exchange.body_memory.used


@FORMS
def test_a7_a_large_body_arrives_whole_and_returns_its_memory(
    exchange: Exchange, form: Form
) -> None:
    assert ["200", "200"] == exchange.receive(*reads(form(BODY)), REQUEST)
    assert ([BODY, b"abc"], 0) == (exchange.echo.bodies, exchange.body_memory.used)


@FORMS
@pytest.mark.parametrize("surplus", [0, 1], ids=["at the limit", "above it"])
def test_a8_a_body_above_the_limit_is_answered_413(
    exchange: Exchange, form: Form, surplus: int
) -> None:
    exchange.echo.max_body = len(BODY) - surplus
    answer, rejections = (["413 close"], ["too_large"]) if surplus else (["200"], [])
    assert answer == exchange.receive(*reads(form(BODY)))
    assert (rejections, 0) == (exchange.echo.rejections, exchange.body_memory.used)


def test_a8_a_declared_length_above_the_limit_is_rejected_by_the_head(exchange: Exchange) -> None:
    exchange.echo.max_body = 2
    head = REQUEST.removesuffix(b"abc").replace(b"Host", b"Expect: 100-continue\r\nHost")
    assert ["413 close"] == exchange.receive(head)


@FORMS
def test_a9_without_memory_a_large_body_is_answered_503(exchange: Exchange, form: Form) -> None:
    exchange.body_memory.reserve(BODY_POOL)
    assert ["503 close"] == exchange.receive(*reads(form(BODY)))
    assert b"Retry-After: 1\r\n" in exchange.transport.written
    assert (["busy"], BODY_POOL) == (exchange.echo.rejections, exchange.body_memory.used)


def test_a9_without_memory_a_small_body_is_answered(exchange: Exchange) -> None:
    exchange.body_memory.reserve(BODY_POOL)
    assert ["200"] == exchange.receive(declared(b"x" * SMALL_BODY))


@pytest.mark.parametrize("end", ["leaves", "late", "evicted", "nonsense"])
def test_a9_whatever_ends_a_body_its_memory_is_returned(exchange: Exchange, end: str) -> None:
    exchange.receive(in_chunks(BODY)[:READ])
    assert BODY_STEP == exchange.body_memory.used
    match end:
        case "leaves":
            exchange.connection.connection_lost(None)
        case "late":
            exchange.wait(10.0)
        case "evicted":
            exchange.connection.evict()
            exchange.connection.connection_lost(None)
        case _:
            exchange.receive(b"x" * READ)
    assert 0 == exchange.body_memory.used


@pytest.mark.shows("trial S3")
def test_a_body_in_very_many_chunks_is_answered_400(exchange: Exchange) -> None:
    request = in_chunks(b"x" * (MAX_CHUNKS + 1), size=1)
    assert ["400 close"] == exchange.receive(*reads(request))
    assert (["http"], []) == (exchange.echo.rejections, exchange.echo.bodies)


def test_a7_a_body_in_as_many_chunks_as_are_allowed_is_accepted(exchange: Exchange) -> None:
    request = in_chunks(b"x" * (MAX_CHUNKS - 1), size=1)
    assert ["200"] == exchange.receive(*reads(request))


@pytest.mark.shows("trial S3")
@pytest.mark.parametrize(
    "begin", [b"3;", b"0\r\n", b"0\r\nX: "], ids=["extension", "name", "value"]
)
def test_endless_bytes_around_chunks_are_answered_400(exchange: Exchange, begin: bytes) -> None:
    parts = [CHUNKED + begin, *[b"x" * 1_000] * (MAX_FRAMING // 1_000 + 2)]
    assert ["400 close"] == exchange.receive(*parts)
    assert State.LINGER is exchange.connection.state
