"""Cutting deep JSON down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.core.nesting import BLOCK, MAX_LEVELS, NestingError, cut

VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=40,
)


def expected(value: Any, keep: int) -> Any:
    if not isinstance(value, dict | list):
        return value
    if keep == 0:
        return None
    if isinstance(value, dict):
        return {key: expected(inner, keep - 1) for key, inner in value.items()}
    return [expected(inner, keep - 1) for inner in value]


@given(value=VALUES, keep=st.integers(0, 4), ascii_only=st.booleans())
def test_what_lies_above_stays_and_what_lies_deeper_is_null(
    value: Any, keep: int, ascii_only: bool
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert expected(value, keep) == json.loads(
        cut(text, keep=keep).decode("utf-8", "surrogatepass")
    )


# Everything that means something, so placed that the block ends within or beside it.
SAMPLE = b'{"a":{"b":["\\\\","[\\"]",{"c":[1,[2]]}],"d\\\\\\"":[]},"e":"{"}'


@pytest.mark.parametrize("keep", range(6))
@pytest.mark.parametrize("before", range(len(SAMPLE) + 1))
def test_where_a_block_ends_does_not_matter(before: int, keep: int) -> None:
    text = b"[" + b" " * (BLOCK - 1 - before) + SAMPLE + b"]"
    assert expected([json.loads(SAMPLE)], keep) == json.loads(cut(text, keep=keep))


@pytest.mark.parametrize("blocks", [1, 2, 3])
def test_a_text_may_go_through_whole_blocks(blocks: int) -> None:
    inner = ["[" * BLOCK * blocks, [["{" * BLOCK * blocks]], {"a": "}" * BLOCK}]
    assert [1, inner[0], None, None, 2] == json.loads(
        cut(json.dumps([1, *inner, 2]).encode(), keep=1)
    )


@pytest.mark.parametrize("height", [1, 7, BLOCK - 1, BLOCK, BLOCK + 1, 9_000])
def test_rising_and_falling_again_and_again_is_cut_each_time(height: int) -> None:
    peak = b"[" * height + b"]" * height
    text = b"[" + b",".join([peak] * 5) + b"]"
    assert b"[" + b",".join([b"null"] * 5) + b"]" == cut(text, keep=1)


@pytest.mark.parametrize("name", ['[{"', '\\"]', "\\\\", '{\\"[['])
def test_brackets_and_quotes_inside_texts_are_text(name: str) -> None:
    text = json.dumps({"a": {name: {"b": [1]}}, "c": 1}).encode()
    assert {"a": {name: None}, "c": 1} == json.loads(cut(text, keep=2))


def test_the_deepest_that_the_api_server_accepts_can_be_cut() -> None:
    assert b"[null]" == cut(b"[" * MAX_LEVELS + b"]" * MAX_LEVELS, keep=1)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * (MAX_LEVELS + 1) + b"]" * (MAX_LEVELS + 1),
        b"[[",
        b"]",
        b"]" * 100_000,
        b"[[1]" + b"]" * 3 * BLOCK,
        b"[[\0]]",
    ],
    ids=["one level more", "not closed", "not opened", "only closed", "more closed", "NUL"],
)
def test_what_cannot_be_cut_is_refused(text: bytes) -> None:
    with pytest.raises(NestingError):
        cut(text, keep=1)
