"""Points in time as operators write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_evaluator.backtest.time_range import parse_moment as parse

NOW = 1_795_262_400_000  # 2026-11-21T12:00:00Z


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("now", NOW),
        ("-7d", NOW - 7 * 86_400_000),
        ("-1w", NOW - 7 * 86_400_000),
        ("now-90m", NOW - 90 * 60_000),
        ("-1d12h30s", NOW - 129_630_000),
        ("2026-11-20", 1_795_132_800_000),
        ("2026-11-20T10:00Z", 1_795_168_800_000),
        ("2026-11-20 10:00:30", 1_795_168_830_000),
        ("2026-11-20T12:00+02:00", 1_795_168_800_000),
        ("1795168800", 1_795_168_800_000),
        ("1795168800.5", 1_795_168_800_500),
        (" -1h ", NOW - 3_600_000),
    ],
)
def test_a_time_is_read(text: str, ms: int) -> None:
    assert ms == parse(text, now_ms=NOW)


@pytest.mark.parametrize(
    "text", ["", "soon", "-", "-7", "7d", "-7y", "nan", "inf", "1e400", "-1", "now+1h", "24:00"]
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time|out of range"):
        parse(text, now_ms=NOW)


@given(st.text(max_size=60))
def test_any_text_is_a_time_in_range_or_refused(text: str) -> None:
    try:
        ms = parse(text, now_ms=NOW)
    except ValueError:
        return
    assert 0 <= ms <= 253_402_300_799_000
