"""Which heads are requests, and which are refused (A5, A6, A11)."""

from collections.abc import Callable
from copy import copy
from http import HTTPStatus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.head import Head, HeadError, HeadReader, check_line_ends, parse_head

GO = (
    b"POST /validate?timeout=10s HTTP/1.1\r\nHost: shield.svc:443\r\n"
    b"User-Agent: kube-apiserver-admission\r\nContent-Length: 19233\r\n"
    b"Accept: application/json, */*\r\nContent-Type: application/json\r\n"
    b"Accept-Encoding: gzip\r\n"
)


def post(*lines: bytes, version: bytes = b"HTTP/1.1", host: bytes = b"Host: x\r\n") -> bytes:
    return (
        b"POST /validate " + version + b"\r\n" + host + b"".join(line + b"\r\n" for line in lines)
    )


def test_what_the_api_server_sends_is_read() -> None:
    head = parse_head(GO)
    assert ("POST", "/validate", "application/json") == (head.method, head.path, head.content_type)
    assert (19233, True, False, False) == (
        head.length,
        head.keep_alive,
        head.encoded,
        head.expects_continue,
    )


def test_a6_the_query_is_no_part_of_the_path() -> None:
    assert "/validate" == parse_head(b"POST /validate?timeout=3s HTTP/1.1\r\nHost: x\r\n").path


@pytest.mark.parametrize(
    ("line", "content_type"),
    [
        (b"Content-Type: application/json", "application/json"),
        (b"content-type:application/JSON ; charset=utf-8", "application/json"),
        (b"CONTENT-TYPE: \ttext/plain\t", "text/plain"),
        (b"X: y", ""),
    ],
)
def test_a_content_type_is_read_without_its_parameters(line: bytes, content_type: str) -> None:
    assert content_type == parse_head(post(line)).content_type


@pytest.mark.parametrize(
    ("head", "kept"),
    [
        (post(), True),
        (post(b"Connection: keep-alive"), True),
        (post(b"Connection: close"), False),
        (post(b"Connection: TE, Close"), False),
        (post(b"Connection: TE", b"Connection: close"), False),
        (post(version=b"HTTP/1.0"), False),
        (post(version=b"HTTP/1.0", host=b""), False),
    ],
    ids=["1.1", "keep-alive", "close", "in a list", "twice", "1.0", "1.0 without host"],
)
def test_a_connection_is_kept_unless_the_client_says_otherwise(head: bytes, kept: bool) -> None:
    assert kept == parse_head(head).keep_alive


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ((), 0),
        ((b"Content-Length: 0",), 0),
        ((b"Content-Length:  12 ",), 12),
        ((b"Transfer-Encoding: chunked",), None),
        ((b"Transfer-Encoding: Chunked",), None),
    ],
    ids=["none", "zero", "spaces", "chunks", "chunks, capital"],
)
def test_the_length_of_a_body_is_told_by_the_head(
    lines: tuple[bytes, ...], length: int | None
) -> None:
    assert length == parse_head(post(*lines)).length


@pytest.mark.parametrize(
    "head",
    [
        post(b"Content-Length: 4", b"Transfer-Encoding: chunked"),
        post(b"Content-Length: 4", b"Content-Length: 4"),
        post(b"Content-Length: 4, 4"),
        post(b"Content-Length: +4"),
        post(b"Content-Length: -4"),
        post(b"Content-Length: 4_0"),
        post(b"Content-Length: 0x4"),
        post("Content-Length: \u0664".encode()),
        post(b"Content-Length: " + b"9" * 5000),
        post(b"Content-Length:"),
        post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        post(b"Transfer-Encoding: chunked", version=b"HTTP/1.0"),
        post(b"Host: y"),
        post(host=b""),
        post(b"Content-Length : 4"),
        post(b" folded: line"),
        post(b"no colon"),
        post(b": nameless"),
        post(b"Bad\x00Name: x"),
        post(b"Name: \x00"),
        post(b"Name: \x0b"),
        b"POST  /validate HTTP/1.1\r\nHost: x\r\n",
        b"POST /validate\r\n",
        b"POST /vali date HTTP/1.1\r\nHost: x\r\n",
        b"POST /validate http/1.1\r\nHost: x\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n",
        b"\r\n",
        b"",
    ],
)
def test_a11_what_servers_could_read_differently_is_refused(head: bytes) -> None:
    with pytest.raises(HeadError) as caught:
        parse_head(head)
    assert HTTPStatus.BAD_REQUEST == caught.value.status


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"PRI * HTTP/2.0\r\n", HTTPStatus.HTTP_VERSION_NOT_SUPPORTED),
        (post(b"Transfer-Encoding: gzip, chunked"), HTTPStatus.NOT_IMPLEMENTED),
        (post(b"Expect: a-pony"), HTTPStatus.EXPECTATION_FAILED),
    ],
    ids=["HTTP/2", "another coding", "another expectation"],
)
def test_what_is_not_served_has_a_status_of_its_own(head: bytes, status: HTTPStatus) -> None:
    with pytest.raises(HeadError) as caught:
        parse_head(head)
    assert status == caught.value.status


@pytest.mark.parametrize(
    "head",
    [
        GO.replace(b"\r\n", b"\n"),
        GO.replace(b"\r\nHost", b"\nHost"),
        GO.replace(b"\r\nHost", b"\rHost"),
        post(b"X: a\rb"),
        post(b"X: a\nContent-Length: 5"),
    ],
    ids=["all", "one", "carriage return", "inside a value", "smuggled header"],
)
def test_a11_bare_line_ends_are_refused(head: bytes) -> None:
    with pytest.raises(HeadError, match="CR LF"):
        parse_head(head)


@pytest.mark.parametrize("part", [b"POST /", b"POST / HTTP/1.1\r", b"POST / HTTP/1.1\r\nHo"])
def test_the_beginning_of_a_head_may_stop_anywhere(part: bytes) -> None:
    check_line_ends(part)


def test_an_expectation_is_noted() -> None:
    assert parse_head(post(b"Expect: 100-Continue")).expects_continue


def test_an_encoded_body_is_noted() -> None:
    assert parse_head(post(b"Content-Encoding: gzip")).encoded


def status_of(head: bytes) -> int:
    try:
        parse_head(head)
    except HeadError as error:
        return error.status
    return 200


@given(st.binary(max_size=300))
def test_a4_random_bytes_are_refused(data: bytes) -> None:
    assert status_of(data) in {400, 505}


@given(st.data())
def test_a4_a_mutated_head_is_a_head_or_refused(data: st.DataObject) -> None:
    head = bytearray(GO)
    for _ in range(data.draw(st.integers(1, 4))):
        head[data.draw(st.integers(0, len(head) - 1))] = data.draw(st.integers(0, 255))
    assert status_of(bytes(head)) in {200, 400, 417, 501, 505}


HEADS = [
    GO,
    GO.replace(b"19233", b"7"),
    GO.replace(b"19233", b"007"),
    GO.replace(b"19233", b"19233x"),
    GO.replace(b"timeout=10s", b"timeout=3s"),
    GO.replace(b"Content-Length", b"X-Content-Length"),
    GO.replace(b"Accept-Encoding: gzip", b"Content-Length: 7"),
    GO.replace(b"Accept-Encoding: gzip", b"Transfer-Encoding: chunked"),
    GO.replace(b"POST", b"PUT"),
    GO[:-2],
    post(),
]


@given(st.lists(st.sampled_from(HEADS), min_size=1, max_size=6))
def test_a_connection_s_heads_read_as_if_each_stood_alone(heads: list[bytes]) -> None:
    reader = HeadReader()
    for head in heads:
        assert outcome(parse_head, head) == outcome(reader.read, head)


def outcome(read: Callable[[bytes], Head], head: bytes) -> Head | str:
    try:
        return copy(read(head))
    except HeadError as error:
        return str(error)
