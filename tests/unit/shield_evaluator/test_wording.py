"""How spans and times read."""

import pytest

from shield_evaluator.wording import moment, span


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
