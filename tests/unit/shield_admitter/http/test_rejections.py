"""What is no request, or could be read differently by two servers, is rejected (A4, A5, A11)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.connection import State
from shield_admitter.http.limits import MAX_HEAD, MAX_HEADERS
from tests.unit.shield_admitter.http.exchange import CHUNKED, REQUEST, Exchange

GO = (
    b"POST /validate?timeout=10s HTTP/1.1\r\nHost: shield.svc:443\r\n"
    b"User-Agent: kube-apiserver-admission\r\nContent-Length: 3\r\n"
    b"Accept: application/json, */*\r\nContent-Type: application/json\r\n"
    b"Accept-Encoding: gzip\r\n\r\nabc"
)


def post(*lines: bytes, version: bytes = b"HTTP/1.1", host: bytes = b"Host: x\r\n") -> bytes:
    return b"POST / %s\r\n%s%s\r\n" % (version, host, b"".join(line + b"\r\n" for line in lines))


def in_chunks(*parts: bytes) -> bytes:
    return CHUNKED + b"".join(parts)


def rejected(exchange: Exchange, request: bytes) -> str:
    """Send it and a proper one behind it; return the only answer's status."""
    (answer,) = exchange.receive(request, REQUEST)
    status, _, close = answer.partition(" ")
    assert ("close", State.LINGER) == (close, exchange.connection.state)
    assert (["http"], []) == (exchange.echo.rejections, exchange.echo.bodies)
    return status


def test_a11_what_the_api_server_sends_is_accepted(exchange: Exchange) -> None:
    assert ["200"] == exchange.receive(GO)


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(post(host=b""), id="no Host"),
        pytest.param(post(b"Host: x"), id="duplicate Host"),
        pytest.param(post(host=b"Host: a b\r\n"), id="Host with a space"),
        pytest.param(post(host=b"Host: a@b\r\n"), id="Host with a user"),
        pytest.param(post(host=b"Host: a/b\r\n"), id="Host with a path"),
        pytest.param(post(host=b"Host: a:b\r\n"), id="Host with a named port"),
        pytest.param(post(host=b"Host: a, b\r\n"), id="two hosts in one"),
        pytest.param(
            post(b"Content-Length: 4", b"Transfer-Encoding: chunked"), id="length, chunks"
        ),
        pytest.param(
            post(b"Transfer-Encoding: chunked", b"Content-Length: 4"), id="chunks, length"
        ),
        pytest.param(post(b"Content-Length: 4", b"Content-Length: 4"), id="two lengths"),
        pytest.param(post(b"Content-Length: 0", b"Content-Length: 0"), id="two lengths of 0"),
        pytest.param(post(b"Content-Length: 4, 4"), id="list of lengths"),
        pytest.param(post(b"Content-Length: +4"), id="plus"),
        pytest.param(post(b"Content-Length: -4"), id="minus"),
        pytest.param(post(b"Content-Length: 4_0"), id="underscore"),
        pytest.param(post(b"Content-Length: 0x4"), id="hexadecimal"),
        pytest.param(post("Content-Length: \u0664".encode()), id="Arabic digit"),
        pytest.param(post(b"Content-Length: " + b"9" * 5000), id="5,000 digits"),
        pytest.param(post(b"Content-Length:"), id="empty length"),
        pytest.param(post(*[b"Transfer-Encoding: chunked"] * 2), id="chunked twice"),
        pytest.param(post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0"), id="chunks in 1.0"),
        pytest.param(post(b"Transfer-Encoding: chunked, gzip"), id="chunked, gzip"),
        pytest.param(post(*[b"Content-Type: text/plain"] * 2), id="two content types"),
        pytest.param(post(b"Connection: upgrade", b"Upgrade: h2c"), id="upgrade"),
        pytest.param(b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", id="CONNECT"),
        pytest.param(post(b"Content-Length : 4"), id="space before the colon"),
        pytest.param(post(b" folded: line"), id="folded line"),
        pytest.param(post(b"X: a", b"\tfolded"), id="folded with a tab"),
        pytest.param(post(b"no colon"), id="no colon"),
        pytest.param(post(b": nameless"), id="no name"),
        pytest.param(post(b"Bad\x00Name: x"), id="zero byte in a name"),
        pytest.param(post(b"Name: \x00"), id="zero byte"),
        pytest.param(post(b"Name: \x0b"), id="vertical tab"),
        pytest.param(b"POST  / HTTP/1.1\r\nHost: x\r\n\r\n", id="two spaces"),
        pytest.param(b"POST / HTTP/1.1 \r\nHost: x\r\n\r\n", id="space behind the version"),
        pytest.param(b"POST /vali date HTTP/1.1\r\nHost: x\r\n\r\n", id="space in the target"),
        pytest.param(post(version=b"http/1.1"), id="small letters"),
        pytest.param(post(version=b"RTSP/1.1"), id="another protocol"),
        pytest.param(post(version=b"HTTP/9.9.9"), id="long version"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", id="TLS"),
    ],
)
def test_a11_what_servers_could_read_differently_is_answered_400(
    exchange: Exchange, head: bytes
) -> None:
    assert "400" == rejected(exchange, head)


@pytest.mark.parametrize(
    "host", [b"shield.svc:443", b"10.0.0.1", b"[fd00::1]:8443", b"x_y", b"", b" x\t"]
)
def test_a_host_may_be_any_name_or_address(exchange: Exchange, host: bytes) -> None:
    assert ["200"] == exchange.receive(post(host=b"Host: " + host + b"\r\n"))


@pytest.mark.parametrize(
    "request_",
    [
        GO.replace(b"\r\n", b"\n"),
        GO.replace(b"\r\n", b"\n").replace(b" 3\n", b" 20000\n") + b"x" * 20_000,
        GO.replace(b"\r\nHost", b"\nHost"),
        GO.replace(b"\r\nAccept:", b"\nAccept:"),
        GO.replace(b"\r\n\r\n", b"\n\n"),
        GO.replace(b"\r\n\r\n", b"\r\n\n"),
        GO.replace(b"\r\nHost", b"\rHost"),
        post(b"X: a\rb"),
        post(b"X: a\nContent-Length: 5"),
        b"\n" + GO,
    ],
    ids=[
        "all",
        "all before a large body",
        "request line",
        "header",
        "end",
        "last",
        "carriage return",
        "inside a value",
        "smuggled header",
        "empty line",
    ],
)
def test_a11_bare_line_ends_are_answered_400(exchange: Exchange, request_: bytes) -> None:
    assert "400" == rejected(exchange, request_)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (post(version=b"HTTP/2.0"), "505"),
        (b"POST /\r\n\r\n", "505"),
        (post(b"Transfer-Encoding: gzip, chunked"), "501"),
        (post(b"Expect: a-pony"), "417"),
    ],
    ids=["version", "HTTP/0.9", "another coding", "another expectation"],
)
def test_what_is_not_supported_has_a_status_of_its_own(
    exchange: Exchange, head: bytes, status: str
) -> None:
    assert status == rejected(exchange, head)


@pytest.mark.parametrize(
    "request_",
    [
        in_chunks(b"\r\n"),
        in_chunks(b"x\r\n"),
        in_chunks(b"-1\r\n"),
        in_chunks(b"0x3\r\nabc\r\n0\r\n\r\n"),
        in_chunks(b"3\nabc\r\n0\r\n\r\n"),
        in_chunks(b"3\r\nabcd\r\n0\r\n\r\n"),
        in_chunks(b"3\r\nabc\n\n0\r\n\r\n"),
        in_chunks(b"1" * 300),
        in_chunks(b"3\r\nabc\r\n0\r\nTrailer: x\r\n\r\n"),
        in_chunks(b"0\r\n\rx"),
    ],
    ids=[
        "empty size",
        "no number",
        "negative",
        "prefix",
        "bare line feed",
        "too long",
        "wrong line end",
        "endless size",
        "trailer",
        "bare carriage return",
    ],
)
def test_a11_what_is_not_chunks_is_answered_400(exchange: Exchange, request_: bytes) -> None:
    assert "400" == rejected(exchange, request_)


@pytest.mark.parametrize("cut", [0, 1, 2, 3])
def test_an_empty_line_before_each_request_is_ignored(exchange: Exchange, cut: int) -> None:
    data = b"\r\n" + REQUEST
    parts = [part for part in (data[:cut], data[cut:] + data) if part]
    assert ["200", "200"] == exchange.receive(*parts)


@pytest.mark.parametrize(
    "parts",
    [[b"\r\n" * 30_000], [b"\r\n"] * 3, [b"\r", b"\n", b"\r"]],
    ids=["whole", "lines", "cut"],
)
def test_a11_a_second_empty_line_is_answered_400(exchange: Exchange, parts: list[bytes]) -> None:
    assert ["400 close"] == exchange.receive(*parts, REQUEST)
    assert (["http"], []) == (exchange.echo.rejections, exchange.echo.bodies)


@pytest.mark.parametrize(
    "before",
    [b"", REQUEST, REQUEST.replace(b" 3", b" 30000").replace(b"abc", b"x" * 30_000)],
    ids=["first", "second", "behind a body"],
)
@pytest.mark.parametrize(
    "endless",
    [b"POST /", b"POST / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nX: "],
    ids=["target", "name", "value"],
)
def test_a_head_without_end_is_rejected_wherever_it_begins(
    exchange: Exchange, before: bytes, endless: bytes
) -> None:
    count = len(exchange.receive(before + REQUEST)) if before else 0
    begin = (REQUEST if before else b"") + endless
    parts = [begin + b"x" * 10_000, *[b"x" * 10_000] * 5]
    assert "431 close" == exchange.receive(*parts)[-1]
    assert count + bool(before) == len(exchange.echo.bodies)
    whole = Exchange()
    assert "431 close" == whole.receive(before + begin + b"x" * 60_000)[-1]


def test_a_pipelined_head_may_be_as_large_as_the_first(exchange: Exchange) -> None:
    body = b"x" * 30_000
    large = REQUEST.replace(b" 3", b" 30000").replace(b"abc", body)
    head = post(b"X: " + b"y" * (MAX_HEAD - 100), b"Content-Length: 3")
    parts = [large + head[:-50], head[-50:] + b"abc"]
    assert ["200", "200"] == exchange.receive(*parts)


@pytest.mark.parametrize(
    ("size", "answers"),
    [(MAX_HEAD, ["200"]), (MAX_HEAD + 1, ["431 close"]), (MAX_HEAD + 2, ["431 close"])],
    ids=["at the limit", "one byte above", "two bytes above"],
)
def test_a_head_may_be_as_large_as_the_limit_and_no_larger(
    exchange: Exchange, size: int, answers: list[str]
) -> None:
    smallest = len(post(b"X: ", b"Content-Length: 3"))
    head = post(b"X: " + b"y" * (size - smallest), b"Content-Length: 3")
    assert size == len(head)
    assert answers == exchange.receive(head + b"abc")
    in_pieces = Exchange()
    assert answers == in_pieces.receive(head[: MAX_HEAD // 2], head[MAX_HEAD // 2 :], b"abc")


def test_many_headers_are_rejected(exchange: Exchange) -> None:
    assert "431" == rejected(exchange, post(*[b"a:"] * MAX_HEADERS))


def test_as_many_headers_as_are_allowed_are_accepted(exchange: Exchange) -> None:
    assert ["200"] == exchange.receive(post(*[b"a:"] * (MAX_HEADERS - 1)))


def test_a5_a_rejection_without_a_body_keeps_the_connection(exchange: Exchange) -> None:
    assert ["404", "200"] == exchange.receive(b"POST /no HTTP/1.1\r\nHost: x\r\n\r\n" + REQUEST)


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        CHUNKED + b"3\r\nabc\r\n0\r\n\r\n",
        REQUEST.replace(b"Host", b"Expect: 100-continue\r\nHost"),
    ],
    ids=["declared", "chunks", "expectation"],
)
def test_a5_after_a_rejection_with_a_body_nothing_more_is_read(
    exchange: Exchange, request_: bytes
) -> None:
    assert ["404 close"] == exchange.receive(request_.replace(b"/", b"/no", 1), REQUEST)
    assert (State.LINGER, []) == (exchange.connection.state, exchange.echo.bodies)


ANSWERS = {"200", "200 close", "400 close", "417 close", "431 close", "501 close", "505 close"}


@given(st.binary(min_size=1, max_size=300))
def test_a4_random_bytes_are_no_request(data: bytes) -> None:
    exchange = Exchange()
    assert ANSWERS >= set(exchange.receive(data, b"\r\n\r\n"))
    assert [] == exchange.echo.bodies


@given(st.data())
def test_a4_a_mutated_request_is_a_request_or_rejected(data: st.DataObject) -> None:
    request = bytearray(GO)
    for _ in range(data.draw(st.integers(1, 4))):
        request[data.draw(st.integers(0, len(request) - 1))] = data.draw(st.integers(0, 255))
    assert ANSWERS >= set(Exchange().receive(bytes(request)))


HEADS = [
    GO,
    GO.replace(b" 3\r\n", b" 7\r\n") + b"defg",
    GO.replace(b" 3\r\n", b" 0\r\n").removesuffix(b"abc"),
    GO.replace(b" 3\r\n", b" 003\r\n"),
    GO.replace(b"Content-Length", b"content-length"),
    GO.replace(b"Accept-Encoding: gzip", b"Connection: close"),
    GO.replace(b"Accept-Encoding: gzip", b"Expect: 100-continue"),
    GO.replace(b"/validate", b"/no"),
    GO.replace(b" 3\r\n", b" 3x\r\n"),
    GO.replace(b"timeout=10s", b"timeout=3s"),
    GO.replace(b"Accept-Encoding: gzip", b"Content-Length: 3"),
    GO.replace(b"Accept-Encoding: gzip", b"Transfer-Encoding: chunked"),
    GO.replace(b"Host", b"Hosts"),
    GO.replace(b"POST", b"PUT"),
    post(),
]


@given(st.lists(st.sampled_from(HEADS), min_size=1, max_size=6))
def test_a11_requests_read_as_if_each_came_alone(requests: list[bytes]) -> None:
    exchange = Exchange()
    expected: list[str] = []
    for request in requests:
        expected += Exchange().receive(request)
        if expected[-1].endswith("close"):
            break
    assert expected == exchange.receive(b"".join(requests))


@given(
    st.lists(st.sampled_from([*HEADS, CHUNKED + b"3\r\nabc\r\n0\r\n\r\n"]), max_size=6), st.data()
)
def test_a11_requests_read_the_same_however_they_are_cut(
    requests: list[bytes], data: st.DataObject
) -> None:
    # A client that pipelines behind chunks is closed, unless the chunks end a segment.
    whole, cut = Exchange(), Exchange()
    for request in requests:
        at = data.draw(st.integers(1, len(request)))
        for exchange, parts in ((whole, [request]), (cut, [request[:at], request[at:]])):
            if not exchange.transport.ended:
                exchange.receive(*filter(None, parts))
    assert whole.receive() == cut.receive()


def test_a11_bare_line_feeds_are_distinguished_from_a_large_head() -> None:
    request = post(b"X: " + b"y" * 2 * MAX_HEAD).replace(b"\r\n", b"\n")
    assert ["400 close"] == Exchange().receive(request)


@pytest.mark.parametrize(
    "first",
    [post(version=b"RTSP/1.1"), b"POST  / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ids=["another protocol", "two spaces"],
)
def test_a11_a_request_line_is_not_judged_by_that_of_the_next_request(first: bytes) -> None:
    assert ["400 close"] == Exchange().receive(first + post())
