"""One connection's phases, with a transport that only remembers."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from shield_admitter.http.budget import SMALL, STEP, BodyBudget, Share
from shield_admitter.http.connection import Connection
from shield_admitter.http.head import Head
from shield_admitter.http.interface import Answer
from shield_admitter.http.phases import PATIENCE, Phase
from shield_admitter.http.server import HANDSHAKE_SECONDS

REQUEST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"


class Transport(asyncio.Transport):
    """Remembers what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.ended = ""
        self.reading = True

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.ended = self.ended or "closed"

    def abort(self) -> None:
        self.ended = "aborted"

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Echo:
    """A service that answers with what it gets, and a host for one connection."""

    def __init__(self) -> None:
        self.max_body = 1_000_000
        self.closing = False
        self.length = 1000
        self.seen: list[bytes] = []
        self.noted: list[str] = []
        self.now = 0.0
        self.service = self
        self.budget = BodyBudget(2 * STEP)
        self.scratch = memoryview(bytearray(65536))
        self.later: list[Any] = []
        self.transport = Transport()
        self.connection = self.connect()

    def connect(self) -> Connection:
        connection = Connection(self)
        connection.connection_made(self.transport)
        return connection

    def time(self) -> float:
        return self.now

    def call_soon(self, call: Any) -> None:
        self.later.append(call)

    def opened(self, connection: Connection, certificate: Any) -> None:
        """Welcome everyone."""

    def closed(self, connection: Connection) -> None:
        """Forget nobody."""

    def render(self, answer: Answer, *, close: bool, bodiless: bool) -> bytes:
        ends = b" close" if close else b""
        return b"%d%s%s;" % (answer.status, b" bodiless" if bodiless else b"", ends)

    def refuse(self, head: Head) -> Answer | None:
        return Answer(b"", HTTPStatus.NOT_FOUND) if head.path == "/no" else None

    def answer(self, body: bytes | bytearray) -> Answer:
        self.seen.append(bytes(body))
        if body == b"bug":
            raise RuntimeError("a bug")
        return Answer(b"")

    def refused(self, why: str) -> None:
        self.noted.append(why)

    def connection_length(self) -> int:
        return self.length

    def receive(self, data: bytes) -> None:
        while data:
            buffer = self.connection.get_buffer(-1)
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            data = data[count:]
            self.connection.buffer_updated(count)


@pytest.fixture
def echo() -> Echo:
    return Echo()


def test_a_request_is_answered_when_its_last_byte_arrives(echo: Echo) -> None:
    echo.receive(REQUEST[:-1])
    assert b"" == echo.transport.written
    echo.receive(REQUEST[-1:])
    assert (b"200;", [b"abc"]) == (echo.transport.written, echo.seen)


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_it_does_not_matter_where_a_request_is_cut(echo: Echo, cut: int) -> None:
    echo.receive(REQUEST[:cut])
    echo.receive(REQUEST[cut:] + REQUEST)
    assert (b"200;200;", Phase.IDLE) == (echo.transport.written, echo.connection.phase)


def test_a_thousand_pipelined_requests_are_no_recursion(echo: Echo) -> None:
    chunked = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    echo.length = 10_000
    echo.connection = echo.connect()
    echo.receive(chunked * 3_000)
    assert 3_000 == len(echo.seen)


@pytest.mark.parametrize(
    ("begun", "phase", "answer", "noted"),
    [
        (b"", Phase.IDLE, b"", []),
        (REQUEST[:10], Phase.HEAD, b"408 close;", ["timeout"]),
        (REQUEST[:-1], Phase.BODY, b"408 close;", ["timeout"]),
    ],
    ids=["idle", "head", "body"],
)
def test_a10_each_phase_has_an_end(
    echo: Echo, begun: bytes, phase: Phase, answer: bytes, noted: list[str]
) -> None:
    echo.receive(begun)
    assert (phase, PATIENCE[phase]) == (echo.connection.phase, echo.connection.deadline)
    echo.connection.expire()
    assert ("closed", answer, noted) == (echo.transport.ended, echo.transport.written, echo.noted)


@pytest.mark.parametrize(
    "waits",
    [
        pytest.param([HANDSHAKE_SECONDS], id="no handshake"),
        pytest.param([PATIENCE[Phase.HEAD], PATIENCE[Phase.CLOSING]], id="half a head"),
        pytest.param([PATIENCE[Phase.BODY], PATIENCE[Phase.CLOSING]], id="half a body"),
    ],
)
def test_a10_what_never_ends_is_given_up_within_ten_seconds(waits: list[float]) -> None:
    assert 10.0 >= sum(waits)


def test_a10_dripping_bytes_do_not_move_the_deadline(echo: Echo) -> None:
    echo.receive(REQUEST[:5])
    echo.now = 3.0
    echo.receive(REQUEST[5:10])
    assert PATIENCE[Phase.HEAD] == echo.connection.deadline


def test_a_client_that_does_not_read_is_not_read_from_and_aborted_in_the_end(echo: Echo) -> None:
    echo.connection.pause_writing()
    echo.receive(REQUEST)
    assert (False, []) == (echo.transport.reading, echo.seen)
    echo.connection.expire()
    assert "aborted" == echo.transport.ended


def test_a_client_that_reads_again_is_answered(echo: Echo) -> None:
    echo.connection.pause_writing()
    echo.receive(REQUEST)
    echo.connection.resume_writing()
    assert (True, [b"abc"]) == (echo.transport.reading, echo.seen)


def test_a_refusal_without_a_body_keeps_the_connection(echo: Echo) -> None:
    echo.receive(b"POST /no HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST)
    assert b"404;200;" == echo.transport.written


def test_a_refusal_with_a_body_lingers_and_ignores_the_rest(echo: Echo) -> None:
    echo.receive(REQUEST.replace(b"/", b"/no", 1) + REQUEST)
    assert (b"404 close;", Phase.LINGER, []) == (
        echo.transport.written,
        echo.connection.phase,
        echo.seen,
    )
    echo.connection.expire()
    assert "aborted" == echo.transport.ended


def test_a_connection_ends_with_the_last_request_that_it_is_for(echo: Echo) -> None:
    echo.length = 2
    echo.connection = echo.connect()
    echo.receive(REQUEST * 3)
    assert (b"200;200 close;", "closed") == (echo.transport.written, echo.transport.ended)


def test_a20_while_draining_every_answer_closes(echo: Echo) -> None:
    echo.closing = True
    echo.receive(REQUEST)
    assert (b"200 close;", "closed") == (echo.transport.written, echo.transport.ended)


@pytest.mark.parametrize(
    ("method", "answer"),
    [(b"HEAD", b"404 bodiless close;"), (b"GET", b"404 close;"), (b"OPTIONS", b"404 close;")],
    ids=["HEAD", "GET", "OPTIONS"],
)
def test_a_method_other_than_post_ends_the_connection(
    echo: Echo, method: bytes, answer: bytes
) -> None:
    echo.receive(method + b" /no HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST)
    assert (answer, "closed", []) == (echo.transport.written, echo.transport.ended, echo.seen)


def test_a_head_request_with_a_body_is_refused_without_one(echo: Echo) -> None:
    echo.receive(REQUEST.replace(b"POST /", b"HEAD /no"))
    assert b"404 bodiless close;" == echo.transport.written


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_an_empty_line_before_each_request_is_ignored(echo: Echo, cut: int) -> None:
    data = b"\r\n" + REQUEST
    echo.receive(data[:cut])
    echo.receive(data[cut:] + data)
    assert (b"200;200;", [b"abc"] * 2) == (echo.transport.written, echo.seen)


@pytest.mark.parametrize("pieces", [[b"\r\n" * 30_000], [b"\r\n"] * 3], ids=["whole", "cut"])
def test_a11_a_second_empty_line_is_refused(echo: Echo, pieces: list[bytes]) -> None:
    for piece in pieces:
        echo.receive(piece)
    echo.receive(REQUEST)
    assert (b"400 close;", ["http"], []) == (echo.transport.written, echo.noted, echo.seen)


def test_a11_a_trailer_field_is_refused(echo: Echo) -> None:
    echo.receive(CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n" + REQUEST)
    assert (b"400 close;", ["http"], []) == (echo.transport.written, echo.noted, echo.seen)


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY = bytes(range(250)) * 2_000


def declared(body: bytes) -> bytes:
    return REQUEST.replace(b" 3\r\n", b" %d\r\n" % len(body)).replace(b"abc", body)


def in_chunks(body: bytes) -> bytes:
    parts = [body[start : start + 10_000] for start in range(0, len(body), 10_000)]
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in parts) + b"0\r\n\r\n"


FORMS = pytest.mark.parametrize("form", [declared, in_chunks], ids=["declared", "in chunks"])


def test_a_length_that_is_only_declared_costs_nothing(echo: Echo) -> None:
    echo.receive(declared(BODY)[: SMALL // 2])
    room = len(echo.connection.get_buffer(-1))
    assert (0, True) == (echo.budget.used, room <= SMALL)


def test_chunks_that_did_not_arrive_cost_nothing(echo: Echo) -> None:
    echo.receive(in_chunks(BODY)[: SMALL // 2])
    assert 0 == echo.budget.used


@FORMS
def test_memory_is_set_aside_as_a_body_arrives(echo: Echo, form: Callable[[bytes], bytes]) -> None:
    echo.receive(form(BODY)[: STEP - 1_000])
    assert STEP == echo.budget.used


@FORMS
def test_a_large_body_arrives_whole_and_gives_its_memory_back(
    echo: Echo, form: Callable[[bytes], bytes]
) -> None:
    echo.receive(form(BODY) + REQUEST)
    assert ([BODY, b"abc"], 0) == (echo.seen, echo.budget.used)


def occupied(echo: Echo) -> list[Share]:
    """Take the whole pool, and be the favourite too."""
    shares = [Share(echo.budget, lambda: None) for _ in range(2)]
    for share in shares:
        share.enlarge(2 * STEP)
    return shares


@FORMS
def test_a_large_body_waits_for_memory_and_then_goes_on(
    echo: Echo, form: Callable[[bytes], bytes]
) -> None:
    others = occupied(echo)
    request = form(BODY)
    echo.receive(request[:50_000])
    assert (Phase.QUEUED, False) == (echo.connection.phase, echo.transport.reading)
    for other in others:
        other.release()
    for call in echo.later:
        call()
    assert (Phase.BODY, True) == (echo.connection.phase, echo.transport.reading)
    echo.receive(request[50_000:] + REQUEST)
    assert ([BODY, b"abc"], 0) == (echo.seen, echo.budget.used)


def test_a_body_s_way_through_the_line_does_not_move_its_deadline(echo: Echo) -> None:
    others = occupied(echo)
    echo.receive(declared(BODY)[:1_000])
    echo.now = 1.0
    echo.receive(declared(BODY)[1_000:40_000])
    queued = echo.connection.deadline
    for other in others:
        other.release()
    for call in echo.later:
        call()
    assert [PATIENCE[Phase.BODY]] * 2 == [queued, echo.connection.deadline]


def test_whoever_waits_in_vain_is_told_to_come_again(echo: Echo) -> None:
    occupied(echo)
    echo.receive(declared(BODY)[:50_000])
    echo.connection.expire()
    assert (b"503 close;", ["busy"]) == (echo.transport.written, echo.noted)


def test_a_client_that_leaves_gives_its_memory_back_and_is_counted(echo: Echo) -> None:
    echo.receive(declared(BODY)[:50_000])
    assert STEP == echo.budget.used
    echo.connection.connection_lost(None)
    assert (0, ["client"]) == (echo.budget.used, echo.noted)


def test_a_bug_is_a_500_and_not_a_hanging_connection(echo: Echo) -> None:
    echo.receive(REQUEST.replace(b"abc", b"bug"))
    assert (b"500 close;", "closed") == (echo.transport.written, echo.transport.ended)
