"""Cutting deep JSON down."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.core.nesting import MAX_LEVELS, NestingError, cut

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


@pytest.mark.parametrize("name", ['[{"', '\\"]', "\\\\", '{\\"[['])
def test_brackets_and_quotes_inside_texts_are_text(name: str) -> None:
    text = json.dumps({"a": {name: {"b": [1]}}, "c": 1}).encode()
    assert {"a": {name: None}, "c": 1} == json.loads(cut(text, keep=2))


def test_the_deepest_that_the_api_server_accepts_can_be_cut() -> None:
    assert b"[null]" == cut(b"[" * MAX_LEVELS + b"]" * MAX_LEVELS, keep=1)


@pytest.mark.parametrize(
    "text",
    [b"[" * (MAX_LEVELS + 1) + b"]" * (MAX_LEVELS + 1), b"[[", b"]"],
    ids=["one level more", "not closed", "not opened"],
)
def test_what_cannot_be_cut_is_refused(text: bytes) -> None:
    with pytest.raises(NestingError):
        cut(text, keep=1)
