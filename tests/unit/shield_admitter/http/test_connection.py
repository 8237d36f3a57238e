"""A connection's states: requests, keep-alive, deadlines and the end."""

import pytest

from shield_admitter.http.connection import SECONDS, State
from shield_admitter.http.limits import TLS_OVERHEAD, WRITE_SECONDS
from tests.unit.shield_admitter.http.exchange import CHUNKED, REQUEST, Exchange

IN_CHUNKS = CHUNKED + b"1\r\na\r\n2;name=value\r\nbc\r\n0\r\n\r\n"


def test_a_request_is_answered_when_its_last_byte_arrives(exchange: Exchange) -> None:
    assert [] == exchange.receive(REQUEST[:-1])
    assert ["200"] == exchange.receive(REQUEST[-1:])
    assert [b"abc"] == exchange.echo.bodies


@pytest.mark.parametrize("cut", range(1, len(REQUEST)))
def test_it_does_not_matter_where_a_request_is_cut(exchange: Exchange, cut: int) -> None:
    assert ["200", "200"] == exchange.receive(REQUEST[:cut], REQUEST[cut:] + REQUEST)
    assert State.IDLE is exchange.connection.state


def test_a_request_may_arrive_byte_by_byte(exchange: Exchange) -> None:
    assert ["200"] == exchange.receive(*(bytes([byte]) for byte in REQUEST))


def test_a6_a_head_is_given_to_the_handler_without_its_query(exchange: Exchange) -> None:
    exchange.receive(
        b"PUT /validate?timeout=10s HTTP/1.1\r\nHost: shield.svc:443\r\n"
        b"content-type: \tapplication/JSON ; charset=utf-8\r\nContent-Encoding: gzip\r\n\r\n"
    )
    (head,) = exchange.echo.heads
    assert (b"PUT", b"/validate") == (head.method, head.path)
    assert (b"application/json", b"gzip") == (head.content_type, head.content_encoding)


def test_pipelined_requests_are_answered_in_their_order(exchange: Exchange) -> None:
    other = REQUEST.replace(b"abc", b"xyz")
    assert ["200"] * 4 == exchange.receive(REQUEST + other + IN_CHUNKS, REQUEST)
    assert [b"abc", b"xyz", b"abc", b"abc"] == exchange.echo.bodies


@pytest.mark.shows("trial S3")
def test_one_request_of_a_segment_is_answered_in_each_turn_of_the_event_loop(
    exchange: Exchange,
) -> None:
    seen = []
    exchange.connection.data_received(REQUEST * 3)
    for _ in range(3):
        seen.append((len(exchange.answers()), exchange.transport.reading))
        exchange.turn()
    assert [(1, False), (2, False), (3, True)] == seen


def test_bytes_that_arrive_while_requests_wait_are_put_behind_them(exchange: Exchange) -> None:
    other = REQUEST.replace(b"abc", b"xyz")
    exchange.connection.data_received(REQUEST * 2)
    assert ["200"] * 3 == exchange.receive(other)
    assert [b"abc", b"abc", b"xyz"] == exchange.echo.bodies


def test_a_client_that_reads_again_is_not_read_from_while_its_requests_wait(
    exchange: Exchange,
) -> None:
    exchange.connection.data_received(REQUEST * 2)
    exchange.connection.pause_writing()
    exchange.connection.resume_writing()
    assert not exchange.transport.reading
    exchange.turn()
    assert exchange.transport.reading


def test_requests_that_wait_are_dropped_with_the_connection(exchange: Exchange) -> None:
    exchange.connection.data_received(REQUEST * 2)
    exchange.connection.connection_lost(None)
    exchange.turn()
    assert ["200"] == exchange.answers()


def test_what_follows_chunks_in_the_same_segment_ends_the_connection(exchange: Exchange) -> None:
    assert ["200"] == exchange.receive(IN_CHUNKS + REQUEST)
    assert "closed" == exchange.transport.ended


def test_hundreds_of_pipelined_requests_are_no_recursion(exchange: Exchange) -> None:
    assert 900 == len(exchange.receive(REQUEST * 900))


@pytest.mark.parametrize(
    ("lines", "is_kept"),
    [
        (b"POST / HTTP/1.1\r\nHost: x\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nConnection: TE\r\nConnection: close\r\n", False),
        (b"POST / HTTP/1.0\r\nHost: x\r\n", False),
        (b"POST / HTTP/1.0\r\n", False),
    ],
    ids=["1.1", "keep-alive", "close", "in a list", "twice", "1.0", "1.0 without Host"],
)
def test_a_connection_is_kept_unless_the_client_says_otherwise(
    exchange: Exchange, lines: bytes, is_kept: bool
) -> None:
    assert ["200" if is_kept else "200 close"] == exchange.receive(lines + b"\r\n")
    assert ("" if is_kept else "closed") == exchange.transport.ended


@pytest.mark.parametrize(
    "behind", [REQUEST, b"\r\n" + REQUEST, b"nonsense"], ids=["request", "line", "nonsense"]
)
@pytest.mark.parametrize(
    "last",
    [
        REQUEST.replace(b"Host", b"Connection: close\r\nHost"),
        REQUEST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
    ids=["close", "1.0", "GET"],
)
def test_what_follows_the_last_request_is_not_answered(
    exchange: Exchange, last: bytes, behind: bytes
) -> None:
    assert ["200 close"] == exchange.receive(last + behind, REQUEST)
    assert ("closed", []) == (exchange.transport.ended, exchange.echo.rejections)


def test_a_connection_ends_with_its_last_request(exchange: Exchange) -> None:
    exchange.reconnect(max_requests=2)
    assert ["200", "200 close"] == exchange.receive(REQUEST * 3)
    assert "closed" == exchange.transport.ended


def test_a20_while_draining_every_answer_closes(exchange: Exchange) -> None:
    exchange.draining = True
    assert ["200 close"] == exchange.receive(REQUEST)
    assert "closed" == exchange.transport.ended


def test_a_client_that_waits_for_permission_to_send_gets_it(exchange: Exchange) -> None:
    head, body = REQUEST.replace(b"Host", b"Expect: 100-Continue\r\nHost"), b"abc"
    assert ["100"] == exchange.receive(head.removesuffix(body))
    assert ["100", "200"] == exchange.receive(body)


def test_a_bug_is_answered_with_500(exchange: Exchange) -> None:
    assert ["500 close"] == exchange.receive(REQUEST.replace(b"abc", b"bug"))
    assert "closed" == exchange.transport.ended


@pytest.mark.parametrize("method", [b"GET", b"OPTIONS"])
def test_a_method_other_than_post_ends_the_connection(exchange: Exchange, method: bytes) -> None:
    assert ["404 close"] == exchange.receive(method + b" /no HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "closed" == exchange.transport.ended


@pytest.mark.parametrize("body", [b"", b"abc"], ids=["none", "some"])
def test_the_answer_to_head_has_no_content(exchange: Exchange, body: bytes) -> None:
    head = b"HEAD /no HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    assert ["404 close"] == exchange.receive(head + body)
    assert exchange.transport.written.endswith(b"\r\n\r\n")


# Deadlines.


def test_a10_an_idle_connection_is_closed_at_its_deadline(exchange: Exchange) -> None:
    exchange.receive(REQUEST)
    exchange.wait(SECONDS[State.IDLE] - 0.1)
    assert "" == exchange.transport.ended
    exchange.wait(0.1)
    assert "closed" == exchange.transport.ended


@pytest.mark.parametrize(
    ("begun", "state"),
    [(REQUEST[:10], State.HEAD), (REQUEST[:-1], State.BODY)],
    ids=["head", "body"],
)
def test_a10_a_request_that_stays_incomplete_is_answered_408_and_aborted(
    exchange: Exchange, begun: bytes, state: State
) -> None:
    exchange.receive(begun)
    assert state is exchange.connection.state
    exchange.wait(SECONDS[state])
    assert (["408 close"], ["timeout"]) == (exchange.receive(), exchange.echo.rejections)
    exchange.wait(SECONDS[State.LINGER])
    assert "aborted" == exchange.transport.ended


@pytest.mark.parametrize("state", [State.HANDSHAKE, State.HEAD, State.BODY])
def test_a10_no_incomplete_request_lasts_longer_than_ten_seconds(state: State) -> None:
    assert 10.0 >= SECONDS[state] + SECONDS[State.LINGER] + SECONDS[State.CLOSING]


@pytest.mark.parametrize("length", [5, len(REQUEST) - 2], ids=["head", "body"])
def test_a10_dripping_bytes_do_not_move_the_deadline(exchange: Exchange, length: int) -> None:
    exchange.receive(REQUEST[:length])
    deadline = exchange.connection.deadline
    exchange.now = 2.0
    exchange.receive(REQUEST[length : length + 1])
    assert deadline == exchange.connection.deadline


def test_a10_empty_lines_do_not_move_the_deadline(exchange: Exchange) -> None:
    deadline = exchange.connection.deadline
    exchange.now = 2.0
    exchange.receive(b"\r\n")
    assert deadline == exchange.connection.deadline


@pytest.mark.shows("trial S1")
def test_answers_that_are_not_taken_end_the_connection(exchange: Exchange) -> None:
    exchange.receive(REQUEST)
    exchange.transport.unsent = 1
    exchange.wait(1.0)
    exchange.wait(WRITE_SECONDS - 0.1)
    assert "" == exchange.transport.ended
    exchange.wait(0.1)
    assert "aborted" == exchange.transport.ended


def test_an_answer_that_is_taken_in_time_keeps_the_connection(exchange: Exchange) -> None:
    for unsent in (1, 0, 1):
        exchange.transport.unsent = unsent
        exchange.wait(WRITE_SECONDS - 0.1)
    assert "" == exchange.transport.ended


@pytest.mark.shows("trial S1")
def test_a_busy_client_whose_newest_answer_is_always_under_way_keeps_the_connection(
    exchange: Exchange,
) -> None:
    for _ in range(20):
        written = len(exchange.transport.written)
        exchange.receive(REQUEST)
        exchange.transport.unsent = len(exchange.transport.written) - written + TLS_OVERHEAD
        exchange.wait(1.0)
    assert "" == exchange.transport.ended


@pytest.mark.shows("trial S1")
def test_a_client_that_asks_on_and_does_not_take_the_first_answer_loses_the_connection(
    exchange: Exchange,
) -> None:
    for sweep in range(20):
        if exchange.transport.ended:
            break
        exchange.receive(REQUEST)
        exchange.transport.unsent = len(exchange.transport.written) + (sweep + 1) * TLS_OVERHEAD
        exchange.wait(1.0)
    assert ("aborted", WRITE_SECONDS + 1) == (exchange.transport.ended, exchange.now)


@pytest.mark.shows("trial S1")
def test_a_client_that_does_not_read_is_not_read_from(exchange: Exchange) -> None:
    reads = []
    for change in (exchange.connection.pause_writing, exchange.connection.resume_writing):
        change()
        reads.append(exchange.transport.reading)
    assert [False, True] == reads
    assert ["200"] == exchange.receive(REQUEST)


@pytest.mark.shows("trial S1")
def test_pipelined_requests_end_when_their_answers_are_not_read(exchange: Exchange) -> None:
    exchange.connection.pause_writing()
    assert [] == exchange.receive(REQUEST * 100)
    assert "aborted" == exchange.transport.ended


@pytest.mark.parametrize(
    ("begun", "rejections"),
    [(b"", []), (REQUEST[:10], ["client"]), (REQUEST[:-1], ["client"]), (REQUEST, [])],
    ids=["nothing", "head", "body", "request"],
)
def test_a_client_that_leaves_an_incomplete_request_is_counted(
    exchange: Exchange, begun: bytes, rejections: list[str]
) -> None:
    exchange.receive(*([begun] if begun else []))
    exchange.connection.connection_lost(None)
    assert (rejections, 0) == (exchange.echo.rejections, exchange.connections)
