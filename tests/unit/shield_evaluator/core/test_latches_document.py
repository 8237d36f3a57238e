"""The latches document: what is written comes back, and what is no such document is refused."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.core.latch import Latch, LatchState, ShieldState, TierBit, advance
from shield_evaluator.core.latches_document import StateError, dropped, read, write
from tests.unit.shield_evaluator.plans import EPOCH, SIGNAL, TIER, at, complete, one_latch

STATE = ShieldState(
    latches={
        ("standard", "db-file"): Latch(LatchState.SET, above_since_ms=400),
        ("critical", "db-file"): Latch(LatchState.RESET, below_since_ms=900),
        ("critical", "db-in-use"): Latch(),
    },
    last_usable_ms={"db-file": 1_000, "db-in-use": 0},
    tiers={"standard": TierBit(allow=False, since=EPOCH)},
)


def test_what_is_written_is_read_back_at_the_same_instant() -> None:
    assert STATE == read(write(STATE, now_ms=1_000, order=(7, 42)), now_ms=1_000).state


def test_the_order_comes_back() -> None:
    assert (7, 42) == read(write(STATE, now_ms=1_000, order=(7, 42)), now_ms=0).order


def test_the_time_between_does_not_count() -> None:
    document = write(STATE, now_ms=1_000, order=(1, 1))
    moved = read(document, now_ms=50_000).state
    assert 49_400 == moved.latches["standard", "db-file"].above_since_ms
    assert 50_000 == moved.last_usable_ms["db-file"]


def test_e5_another_machines_clock_is_not_in_it() -> None:
    plan = one_latch()
    early = advance(plan, ShieldState(), {SIGNAL: complete(0.95)}, at(0))
    document = msgspec.json.decode(write(early, now_ms=at(3).ms, order=(1, 1)))
    assert 3_000 == document["latches"][TIER][SIGNAL]["above_age_ms"]


def test_a_document_without_an_order_is_older_than_any() -> None:
    assert (0, 0) == read(b'{"latches":{},"usable_age_ms":{},"tiers":{}}', now_ms=0).order


def test_fields_of_a_later_version_are_ignored() -> None:
    document = msgspec.json.decode(write(STATE, now_ms=1_000, order=(1, 1)))
    again = msgspec.json.encode({**document, "later": {"x": 1}})
    assert STATE == read(again, now_ms=1_000).state


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
def test_what_is_no_latches_document_is_refused(document: bytes) -> None:
    with pytest.raises(StateError):
        read(document, now_ms=0)


@given(st.binary(max_size=200))
def test_e7_no_bytes_do_more_than_be_refused(garbage: bytes) -> None:
    with pytest.raises(StateError):
        read(garbage, now_ms=0)


def test_latches_without_a_place_in_the_plan_are_named() -> None:
    assert ["critical/db-file", "critical/db-in-use"] == dropped(STATE, one_latch())
