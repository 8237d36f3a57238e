"""How spans, times and reasons read."""

from datetime import UTC, datetime, timedelta

import pytest

from shield_evaluator.wording import clock, duration, moment, printable, sentence, size, span

NOON = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "0.25s"),
        (59, "59s"),
        (60, "1m 00s"),
        (185, "3m 05s"),
        (3_600, "1h 00m"),
        (7_620, "2h 07m"),
        (356_400, "4d 3h"),
    ],
)
def test_a_span_shows_its_two_largest_units(seconds: float, text: str) -> None:
    assert text == span(seconds)


def test_no_time_is_told_otherwise() -> None:
    assert "still closed" == moment(None, "still closed")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0, "0 s"),
        (119.9, "119 s"),
        (120, "2 min"),
        (7199, "119 min"),
        (7200, "2 h 0 min"),
        (86_400 * 2 + 3600, "2 d 1 h"),
    ],
)
def test_a_duration_has_at_most_two_units(seconds: float, words: str) -> None:
    assert words == duration(seconds)


@pytest.mark.parametrize(
    ("moment", "words"),
    [(NOON, "12:00:00Z"), (NOON - timedelta(days=1), "2026-11-20 12:00Z")],
    ids=["today", "yesterday"],
)
def test_a_time_has_its_date_unless_that_is_today(moment: datetime, words: str) -> None:
    assert words == clock(moment, now=datetime(2026, 11, 21, 23, 59, tzinfo=UTC))


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
    assert text == size(byte_count)


def test_what_a_terminal_obeys_is_written_as_an_escape() -> None:
    assert "a\\x1b[2Jb\\n" == printable("a\x1b[2Jb\n")
