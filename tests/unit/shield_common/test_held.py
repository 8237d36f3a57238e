"""The wire form of the report of held runs."""

from contextlib import suppress
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.decision import MAX_DOCUMENT_BYTES, DocumentError
from shield_common.held import (
    HeldReport,
    NamespaceReport,
    TierReport,
    decode_held_report,
    encode_held_report,
)

REPORT = HeldReport(
    reported_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    tiers={
        "standard": TierReport(
            held=43, oldest_seconds=312.0, released_per_minute=12.0, stuck=1, counted=1234
        )
    },
    namespaces=(
        NamespaceReport(tier="standard", namespace="team-a", held=12, oldest_seconds=312.0),
    ),
)


def test_a_report_is_read_as_it_was_written() -> None:
    assert decode_held_report(encode_held_report(REPORT)) == REPORT


def test_unknown_fields_of_a_report_are_ignored() -> None:
    fields = msgspec.json.decode(encode_held_report(REPORT)) | {"later": {"field": 1}}

    assert decode_held_report(msgspec.json.encode(fields)) == REPORT


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        pytest.param(b'{"schema":2}', "schema", id="higher schema"),
        pytest.param(b"{}", "malformed", id="no schema"),
        pytest.param(b"\xff\xfe", "malformed", id="no text"),
        pytest.param(b"[" * 100_000, "malformed", id="nested deeply"),
        pytest.param(b" " * (MAX_DOCUMENT_BYTES + 1), "size", id="too large"),
        pytest.param(
            b'{"schema":1,"reported_at":"2026-11-21T10:00:00Z","tiers":{"a":{"held":-1}}}',
            "malformed",
            id="fewer than none held",
        ),
        pytest.param(
            b'{"schema":1,"reported_at":"2026-11-21T10:00:00Z","tiers":{"a":{"held":1e999}}}',
            "malformed",
            id="infinitely many held",
        ),
    ],
)
def test_a_document_that_is_no_report_says_why(document: bytes, problem: str) -> None:
    with pytest.raises(DocumentError) as caught:
        decode_held_report(document)

    assert problem == caught.value.problem


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(document: bytes) -> None:
    with suppress(DocumentError):
        decode_held_report(document)
