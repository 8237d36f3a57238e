"""Durations as Go writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.config.types import MAX_SECONDS, Duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("15s", 15),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        (".5s", 0.5),
        ("1.5h", 5400),
        ("1us", 1e-06),
        ("1µs", 1e-06),
        ("8784h", MAX_SECONDS),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert seconds == Duration.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5",
        "s",
        "5 s",
        "-5s",
        "+5s",
        "5S",
        "5d",
        "1w",
        "1mm",
        "1y",
        "5s\n",
        ".s",
        "1e3s",
        "\N{ARABIC-INDIC DIGIT FIVE}s",
    ],
)
def test_what_go_would_not_read_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration such as 15s"):
        Duration.parse(text)


@pytest.mark.parametrize("text", ["8785h", "999999999h", "9" * 38 + "h"])
def test_more_than_a_year_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a year"):
        Duration.parse(text)


@given(st.integers(0, MAX_SECONDS * 1000))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert milliseconds == Duration.parse(str(Duration(milliseconds / 1000))).milliseconds


@given(st.text(max_size=60))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    try:
        seconds = Duration.parse(text)
    except ValueError:
        return
    assert 0 <= seconds <= MAX_SECONDS
