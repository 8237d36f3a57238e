"""Bodies in chunks, however they are cut into pieces."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.chunks import ChunkedBody, TooLargeError
from shield_admitter.http.head import HeadError


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


@given(
    chunks=st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    cuts=st.lists(st.integers(0, 300), max_size=10),
    behind=st.binary(max_size=20),
)
def test_a_body_is_the_same_however_it_arrives(
    chunks: list[bytes], cuts: list[int], behind: bytes
) -> None:
    data = chunked(*chunks)
    reader = ChunkedBody(limit=1_000)
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    pieces[-1] += behind
    assert [False] * (len(pieces) - 1) + [True] == [reader.feed(piece) for piece in pieces]
    assert (b"".join(chunks), behind) == (bytes(reader.body), reader.rest)


def test_extensions_are_skipped() -> None:
    reader = ChunkedBody(limit=10)
    assert reader.feed(b"3;name=value\r\nabc\r\n000\r\n\r\n")
    assert b"abc" == bytes(reader.body)


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"0x3\r\nabc\r\n",
        b"3 \nabc\r\n",
        b"3\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"3\r\nabc\n\n0\r\n\r\n",
        b"123456789\r\n",
        b"1" * 300,
        b"3;" + b"x" * 300,
        chunked(end=b"0\r\nTrailer: x\r\n\r\n"),
        chunked(end=b"0\r\nT"),
        chunked(end=b"0\r\n\n"),
        chunked(end=b"0\r\n\rx"),
    ],
    ids=[
        "empty size",
        "no number",
        "negative",
        "prefix",
        "space and line feed",
        "bare line feed",
        "too long",
        "wrong line end",
        "nine digits",
        "endless size",
        "endless extension",
        "trailer",
        "beginning of a trailer",
        "bare line feed at the end",
        "bare carriage return at the end",
    ],
)
def test_a11_what_is_not_chunks_is_refused(data: bytes) -> None:
    with pytest.raises(HeadError):
        ChunkedBody(limit=1_000_000_000_000).feed(data)


@pytest.mark.parametrize(
    "data",
    [b"b\r\n", chunked(b"12345", b"123456"), b"ffffffff\r\n"],
    ids=["one", "together", "huge"],
)
def test_a8_too_much_is_refused_when_it_is_announced(data: bytes) -> None:
    with pytest.raises(TooLargeError):
        ChunkedBody(limit=10).feed(data)


def test_what_is_kept_is_known() -> None:
    reader = ChunkedBody(limit=10)
    reader.feed(b"5\r\nabcde\r\n3")
    assert 6 == reader.held
