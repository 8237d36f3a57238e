"""The latches document: encoding, decoding, and which bytes are refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.holding import HoldingState
from shield_evaluator.core.latch import advance
from shield_evaluator.core.latches_document import LatchesDocumentError, decode, encode
from shield_evaluator.core.state import Latch, LatchState, ShieldState, TierBit
from tests.unit.shield_evaluator.plans import EPOCH, SIGNAL, TIER, at, complete, one_latch

STATE = ShieldState(
    latches={
        ("standard", "db-file"): Latch(LatchState.SET, above_since_ms=400),
        ("critical", "db-file"): Latch(LatchState.RESET, below_since_ms=900),
        ("critical", "db-in-use"): Latch(),
    },
    last_usable_ms={"db-file": 1_000, "db-in-use": 0},
    bits={"standard": TierBit(allow=False, since=EPOCH)},
)


def test_encode_and_decode_at_one_instant_are_inverse() -> None:
    assert STATE == decode(encode(STATE, now_ms=1_000, order=(7, 42)), now_ms=1_000).state


def test_the_order_is_decoded() -> None:
    assert (7, 42) == decode(encode(STATE, now_ms=1_000, order=(7, 42)), now_ms=0).order


def test_time_between_encode_and_decode_does_not_count() -> None:
    document = encode(STATE, now_ms=1_000, order=(1, 1))
    moved = decode(document, now_ms=50_000).state
    assert 49_400 == moved.latches["standard", "db-file"].above_since_ms
    assert 50_000 == moved.last_usable_ms["db-file"]


def test_e5_times_are_encoded_as_ages() -> None:
    plan = one_latch()
    early = advance(plan, ShieldState(), {SIGNAL: complete(0.95)}, at(0))
    document = msgspec.json.decode(encode(early, now_ms=at(3).ms, order=(1, 1)))
    assert 3_000 == document["latches"][TIER][SIGNAL]["above_age_ms"]


def test_bits_and_slots_are_stored_under_these_names() -> None:
    holding = HoldingState(
        is_known=True,
        is_stalled=True,
        held={TIER: 1},
        held_totals={TIER: 2},
        per_minute={TIER: 3.0},
        full=frozenset({(TIER, SIGNAL)}),
        implausible=("other",),
    )
    bit = TierBit(allow=False, since=EPOCH, differing_latches_allow=True)
    state = ShieldState(bits={TIER: bit}, holding=holding)
    document = msgspec.json.decode(encode(state, now_ms=0, order=(1, 1)))
    assert ["allow", "since", "latched"] == list(document["tiers"][TIER])
    assert {
        "is_known": True,
        "is_stalled": True,
        "held": {TIER: 1},
        "counted": {TIER: 2},
        "per_minute": {TIER: 3.0},
        "full": [[TIER, SIGNAL]],
    } == document["slots"]


def test_bits_and_slots_are_read_under_these_names() -> None:
    bits = {TIER: {"allow": False, "since": EPOCH, "latched": True}}
    slots = {"is_known": True, "held": {TIER: 1}, "counted": {TIER: 2}}
    stored = {"latches": {}, "usable_age_ms": {}, "tiers": bits, "slots": slots}
    state = decode(msgspec.json.encode(stored), now_ms=0).state
    assert state.bits[TIER].latches_allow
    assert HoldingState(is_known=True, held={TIER: 1}, held_totals={TIER: 2}) == state.holding


def test_a_document_without_an_order_has_the_lowest() -> None:
    assert (0, 0) == decode(b'{"latches":{},"usable_age_ms":{},"tiers":{}}', now_ms=0).order


def test_unknown_fields_are_ignored() -> None:
    document = msgspec.json.decode(encode(STATE, now_ms=1_000, order=(1, 1)))
    again = msgspec.json.encode({**document, "later": {"x": 1}})
    assert STATE == decode(again, now_ms=1_000).state


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="truncated"),
        pytest.param(b"null", id="null"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="deeply nested"),
        pytest.param(b'{"schema":2,"latches":{},"usable_age_ms":{},"tiers":{}}', id="schema 2"),
        pytest.param(
            b'{"latches":{"t":{"s":{"state":"ajar"}}},"usable_age_ms":{},"tiers":{}}',
            id="unknown state",
        ),
        pytest.param(
            b'{"latches":{},"usable_age_ms":{"s":-1},"tiers":{}}', id="an age in the future"
        ),
        pytest.param(
            b'{"latches":{},"usable_age_ms":{},"tiers":{"t":{"allow":true,"since":"today"}}}',
            id="no time",
        ),
    ],
)
def test_malformed_documents_are_refused(document: bytes) -> None:
    with pytest.raises(LatchesDocumentError):
        decode(document, now_ms=0)


@given(st.binary(max_size=200))
def test_e7_arbitrary_bytes_are_refused(garbage: bytes) -> None:
    with pytest.raises(LatchesDocumentError):
        decode(garbage, now_ms=0)
