"""The decision document on the wire: what is read, and what is refused."""

import copy
import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.decision import (
    MAX_DOCUMENT_BYTES,
    Decision,
    DocumentError,
    Override,
    SignalObservation,
    TierDecision,
    TierHold,
    decode_decision,
    decode_override,
    encode_decision,
    encode_override,
)

NOON = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)
OVERRIDE = Override(
    allow=False,
    tiers=("background",),
    reason="defragmentation",
    by="ada",
    since=NOON,
    until=NOON + dt.timedelta(hours=1),
)
DECISION = Decision(
    cluster="rh01",
    epoch=7,
    sequence=4211,
    ttl_ms=300_000,
    evaluated_at=NOON,
    allow=False,
    tiers={
        "standard": TierDecision(
            allow=False,
            since=NOON,
            reason="etcd is at 93.4% of its quota",
            signal="db-file",
            value=0.934,
            set=0.9,
            reset=0.8,
        ),
        "critical": TierDecision(allow=True, since=NOON, warning="etcd is at 93.4% of its quota"),
    },
    signals={
        "db-file": SignalObservation(value=0.934, member="10.0.0.3:2379", members=3, state="ok")
    },
    override=OVERRIDE,
    time_to_full_seconds=840.0,
)
PLAIN: dict[str, Any] = json.loads(encode_decision(DECISION))


def changed(*path: str, to: object) -> bytes:
    document = copy.deepcopy(PLAIN)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return json.dumps(document).encode()


def problem_of(document: bytes) -> str:
    with pytest.raises(DocumentError) as caught:
        decode_decision(document)
    return caught.value.problem


def outcome(document: bytes) -> str:
    try:
        decode_decision(document)
    except DocumentError as error:
        return error.problem
    return "decision"


def test_a_decision_without_holding_is_one_that_holds_nothing() -> None:
    entry = decode_decision(json.dumps(PLAIN).encode()).tiers["standard"]
    assert (None, 0) == (entry.hold, entry.priority)


def test_slots_are_read_as_they_were_written() -> None:
    hold = TierHold(slots=1000, share=333.3, held=43, wait_seconds=360, full=True, stalled=True)
    entry = TierDecision(allow=False, since=NOON, hold=hold, priority=1)
    decision = msgspec.structs.replace(DECISION, tiers={"standard": entry})
    assert decision == decode_decision(encode_decision(decision))


@pytest.mark.parametrize("slots", [-1, "many", None, 1e300])
def test_slots_that_cannot_be_are_refused(slots: object) -> None:
    hold = {"slots": slots, "share": 1, "held": 0}
    assert "malformed" == problem_of(changed("tiers", "standard", "hold", to=hold))


def test_a_decision_is_read_as_it_was_written() -> None:
    assert DECISION == decode_decision(encode_decision(DECISION))


def test_an_override_is_read_as_it_was_written() -> None:
    assert OVERRIDE == decode_override(encode_override(OVERRIDE))


def test_unknown_fields_are_ignored() -> None:
    assert DECISION == decode_decision(changed("tiers", "standard", "colour", to="red"))


@pytest.mark.parametrize("schema", [2, 99, 2**60])
def test_a_higher_schema_is_distinguished_from_garbage(schema: int) -> None:
    assert "schema" == problem_of(changed("schema", to=schema))


def test_a_higher_schema_is_reported_with_any_other_content() -> None:
    assert "schema" == problem_of(b'{"schema": 2, "tiers": "in a form of its own"}')


def test_a_document_beyond_the_limit_is_not_parsed() -> None:
    assert "size" == problem_of(b" " * (MAX_DOCUMENT_BYTES + 1))


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b"\xff",
        b'{"schema": 1}',
        b'{"schema": "1"}',
        b'{"schema": 1' + b"0" * 5000 + b"}",
        b"[" * 100_000,
        b'{"schema": 1, "a": ' + b"[" * 100_000,
        changed("epoch", to=-1),
        changed("epoch", to=2**53),
        changed("epoch", to=1.5),
        changed("ttl_ms", to=0),
        changed("interval_ms", to=0),
        changed("allow", to="yes"),
        changed("evaluated_at", to="2026-11-21T12:00:00"),
        changed("evaluated_at", to="yesterday"),
        changed("tiers", "standard", "value", to=-0.1),
        changed("tiers", "standard", "value", to=1e300),
        changed("tiers", "standard", "reason", to="r" * 1025),
        changed("tiers", "standard", to=None),
        changed("signals", to=[]),
        encode_decision(DECISION).replace(b"0.934", b"NaN"),
        encode_decision(DECISION).replace(b"0.934", b"1e999"),
    ],
)
def test_a_document_that_is_no_decision_is_malformed(document: bytes) -> None:
    assert "malformed" == problem_of(document)


@given(st.binary(max_size=400))
def test_random_bytes_are_refused_in_one_way(document: bytes) -> None:
    with pytest.raises(DocumentError):
        decode_decision(document)


@given(st.data())
def test_a_mutated_document_is_a_decision_or_refused(data: st.DataObject) -> None:
    document = bytearray(encode_decision(DECISION))
    for _ in range(data.draw(st.integers(1, 5))):
        position = data.draw(st.integers(0, len(document) - 1))
        document[position : position + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=3)
        )
    assert outcome(bytes(document)) in {"decision", "malformed", "schema"}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
        max_leaves=10,
    ),
    st.sampled_from(sorted(PLAIN)),
)
def test_any_value_in_any_field_is_a_decision_or_refused(value: object, field: str) -> None:
    assert outcome(changed(field, to=value)) in {"decision", "malformed", "schema"}


@given(st.binary(max_size=200))
def test_random_bytes_are_no_override(document: bytes) -> None:
    with pytest.raises(DocumentError):
        decode_override(document)


@pytest.mark.parametrize(
    ("tiers", "tier", "covered"),
    [
        (None, "standard", True),
        (("standard",), "standard", True),
        (("critical",), "standard", False),
        ((), "standard", False),
    ],
    ids=["all", "named", "another", "none"],
)
def test_an_override_covers_the_tiers_it_names(
    tiers: tuple[str, ...] | None, tier: str, covered: bool
) -> None:
    override = Override(allow=True, tiers=tiers, reason="r", by="b", since=NOON, until=NOON)
    assert covered is override.covers(tier)


def test_a_later_epoch_comes_after_any_sequence() -> None:
    early = decode_decision(changed("sequence", to=2**50))
    late = decode_decision(changed("epoch", to=8))
    assert early.order < late.order
