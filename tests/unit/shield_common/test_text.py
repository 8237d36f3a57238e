"""How values, times and the text of others read."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from shield_common.text import (
    format_datetime,
    format_duration,
    format_size,
    format_time,
    format_value,
    printable,
    sentence,
    truncate,
)

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0s"),
        (0, "0s"),
        (0.25, "0.25s"),
        (2.47, "2.5s"),
        (12.3, "12s"),
        (59.4, "59s"),
        (59.9, "1m"),
        (60, "1m"),
        (185, "3m 05s"),
        (3_600, "1h"),
        (7_620, "2h 07m"),
        (172_800, "2d"),
        (356_400, "4d 3h"),
    ],
)
def test_a_duration_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert text == format_duration(seconds)


def test_a_date_and_time_is_exact_to_the_second() -> None:
    assert "2026-11-21 12:00:00" == format_datetime(NOON)


def test_a_missing_time_has_its_own_words() -> None:
    assert "still closed" == format_datetime(None, "still closed")


@pytest.mark.parametrize(
    ("moment", "words"),
    [(NOON, "12:00:00Z"), (NOON - timedelta(days=1), "2026-11-20 12:00Z")],
    ids=["today", "yesterday"],
)
def test_a_time_has_its_date_unless_that_is_today(moment: datetime, words: str) -> None:
    assert words == format_time(moment, now=datetime(2026, 11, 21, 23, 59, tzinfo=UTC))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("no samples", "No samples."),
        ("etcd is full", "etcd is full."),
        ("db-file is blind.", "db-file is blind."),
        ("", "."),
    ],
)
def test_a_reason_is_written_as_a_sentence(text: str, written: str) -> None:
    assert written == sentence(text)


@pytest.mark.parametrize(
    ("byte_count", "text"),
    [
        (0, "0 B"),
        (0.4, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1.5 * 1024**2, "1.5 MiB"),
        (3.14 * 1024**3, "3.1 GiB"),
        (2**60, "1048576.0 TiB"),
    ],
)
def test_a_size_has_a_binary_unit(byte_count: float, text: str) -> None:
    assert text == format_size(byte_count)


@pytest.mark.parametrize(
    "moment",
    [
        datetime(1, 1, 1, 0, 0, 0, tzinfo=timezone(timedelta(hours=12))),
        datetime(9999, 12, 31, 23, 0, 0, tzinfo=timezone(timedelta(hours=-12))),
    ],
    ids=["first", "last"],
)
def test_a_time_that_utc_cannot_express_keeps_its_zone(moment: datetime) -> None:
    assert f"{moment:%H:%M:%S%z}" == format_time(moment)


def test_a_time_of_another_zone_is_written_in_utc() -> None:
    assert "10:00:00Z" == format_time(NOON.replace(tzinfo=timezone(timedelta(hours=2))))


@pytest.mark.parametrize(
    ("text", "written"),
    [
        pytest.param("plain text, é too", "plain text, é too", id="printable"),
        pytest.param("a\x1b[2Jb\n", "a\\x1b[2Jb\\n", id="clear screen"),
        pytest.param("\x1b]0;title\x07", "\\x1b]0;title\\x07", id="OSC"),
        pytest.param("\x9b31m", "\\x9b31m", id="C1"),
        pytest.param("a\u202eb", "a\\u202eb", id="right to left"),
        pytest.param("\ud800", "\\ud800", id="lone surrogate"),
        pytest.param("a\u00a0b", "a\\xa0b", id="no-break space"),
        pytest.param("\U000e0041", "\\U000e0041", id="tag character"),
        pytest.param("é\x00é", "é\\x00é", id="only what is unprintable"),
    ],
)
def test_unprintable_characters_become_escapes(text: str, written: str) -> None:
    assert written == printable(text)


@pytest.mark.parametrize(
    ("text", "limit", "written"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, ""), ("ab", 1, "…")],
    ids=["fits", "too long", "empty", "one"],
)
def test_a_long_text_is_truncated_within_the_limit(text: str, limit: int, written: str) -> None:
    assert written == truncate(text, limit)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.934, "ratio", "93.4%"),
        (0.9, "ratio", "90%"),
        (1.0, "ratio", "100%"),
        (0.99999, "ratio", "100%"),
        (2.5e9, "number", "2.5e+09"),
        (12345, "number", "12345"),
        (1, "alert", "1"),
    ],
)
def test_a_ratio_is_written_as_a_percentage(value: float, unit: str, text: str) -> None:
    assert text == format_value(value, unit)
