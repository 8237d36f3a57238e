"""A head that was accepted before is not parsed again, and no other head is taken for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.http.head import KnownHeads
from shield_admitter.http.limits import MAX_HEAD
from shield_admitter.http.messages import RequestHead
from tests.unit.shield_admitter.http.exchange import Exchange

BEFORE = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Length: "
BEHIND = b"\r\nAccept: */*\r\n\r\n"
ACCEPTED = RequestHead(b"POST", b"/validate")


def heads(*added: bytes, limit: int = 2) -> KnownHeads:
    """Return heads of which these were accepted."""
    known = KnownHeads(limit)
    for head in added:
        known.add(head, ACCEPTED)
    return known


@given(st.integers(1, 999_999_999))
def test_it_is_known_with_any_other_length(length: int) -> None:
    head = BEFORE + b"%d" % length + BEHIND
    known = heads(BEFORE + b"3" + BEHIND)
    assert (ACCEPTED, length, len(head)) == known.find(head)
    assert (ACCEPTED, length, len(head)) == known.find(head + BEFORE)


def test_it_is_not_known_before_all_of_it_has_arrived() -> None:
    head = BEFORE + b"33" + BEHIND
    known = heads(head)
    assert [None] * len(head) == [known.find(head[:end]) for end in range(len(head))]


@pytest.mark.parametrize(("size", "is_kept"), [(MAX_HEAD - 9, True), (MAX_HEAD - 8, False)])
def test_a_head_that_another_length_could_make_too_large_is_not_kept(
    size: int, is_kept: bool
) -> None:
    padding = b"x" * (size - len(BEFORE + b"3" + BEHIND + b"X: \r\n"))
    head = BEFORE.replace(b"Host", b"X: " + padding + b"\r\nHost") + b"3" + BEHIND
    assert size == len(head)
    assert is_kept is (heads(head).find(head) is not None)


@given(st.data())
def test_a11_with_another_byte_anywhere_it_is_not_known(data: st.DataObject) -> None:
    head = bytearray(BEFORE + b"3" + BEHIND)
    at = data.draw(st.integers(0, len(head) - 1).filter(lambda at: at != len(BEFORE)))
    head[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != head[at]))
    assert heads(BEFORE + b"3" + BEHIND).find(bytes(head)) is None


@given(st.binary(max_size=12).filter(lambda digits: not digits.isdigit() or len(digits) > 9))
def test_a11_with_a_length_that_is_no_number_of_nine_digits_it_is_not_known(digits: bytes) -> None:
    assert heads(BEFORE + b"3" + BEHIND).find(BEFORE + digits + BEHIND) is None


def test_a_length_of_zero_is_left_to_the_parser() -> None:
    assert heads(BEFORE + b"3" + BEHIND).find(BEFORE + b"0" + BEHIND) is None


def test_a_head_without_a_length_is_not_kept() -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert heads(head).find(head) is None


def test_the_oldest_head_makes_room_for_a_new_one() -> None:
    first, second, third = (BEFORE + b"3" + BEHIND + tail for tail in (b"", b"a", b"b"))
    known = heads(first, second, third)
    found = [known.find(head) for head in (first, second, third)]
    assert [None, (ACCEPTED, 3, len(second)), (ACCEPTED, 3, len(third))] == found


def test_a_head_that_is_added_again_takes_no_further_place() -> None:
    first = BEFORE + b"3" + BEHIND
    second = BEFORE.replace(b"Host: x", b"Host: y") + b"3" + BEHIND
    known = heads(first, second, second)
    assert (ACCEPTED, 3, len(first)) == known.find(first)


def test_a5_a_known_head_is_judged_anew_by_the_handler(exchange: Exchange) -> None:
    request = BEFORE + b"3" + BEHIND + b"abc"
    assert ["200"] == exchange.receive(request)
    exchange.echo.max_body = 2
    assert ["200", "413 close"] == exchange.receive(request)


def test_clients_share_the_heads_that_are_known(exchange: Exchange) -> None:
    exchange.receive(BEFORE + b"3" + BEHIND + b"abc")
    assert exchange.known_heads.find(BEFORE + b"4" + BEHIND) is not None
    exchange.reconnect(max_requests=10)
    assert ["200"] == exchange.receive(BEFORE + b"4" + BEHIND, b"ab", b"cd")
    assert [b"abc", b"abcd"] == exchange.echo.bodies


def test_what_the_handler_said_about_an_earlier_head_is_not_said_again(exchange: Exchange) -> None:
    exchange.receive(BEFORE + b"3" + BEHIND + b"abc")
    without_body = b"POST /no HTTP/1.1\r\nHost: x\r\n\r\n"
    assert ["200", "404", "200"] == exchange.receive(without_body, BEFORE + b"3" + BEHIND + b"abc")
