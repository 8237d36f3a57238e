"""The screen of the demo in unusual moments."""

import io

import pytest
from rich.console import Console

from tests.demo.findings import judge
from tests.demo.plan import DB_FILE, Plan
from tests.demo.record import AdmitterTally, Record
from tests.demo.screen import live_screen, status_line, summary, usage_bar


def printed(renderable: object) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_screen_shows_no_values_before_the_first_sample() -> None:
    record = Record(Plan(), clock=lambda: 0.0)
    record.admitters["admitter-1"] = AdmitterTally()
    assert "db-file -" in status_line(record)
    assert "admitters ?" in status_line(record)
    assert "? silent" in printed(live_screen(record))


def test_the_screen_shows_the_reason_for_a_denial() -> None:
    record = Record(Plan(), clock=lambda: 0.0)
    record.admitters["admitter-1"] = AdmitterTally(bit=False, denied=3)
    record.reason = "etcd is at 93.4% of its quota"
    assert "etcd is at 93.4% of its quota" in printed(live_screen(record))


@pytest.mark.parametrize("with_shield", [True, False], ids=["with", "without"])
def test_the_summary_says_that_the_demo_failed(with_shield: bool) -> None:
    record = Record(Plan(), clock=lambda: 0.0)
    assert "Not as promised" in printed(summary(record, judge(record, with_shield=with_shield)))


@pytest.mark.parametrize(
    ("share", "filled"), [(None, 0), (0.0, 0), (0.5, 19), (1.0, 38), (1.02, 38)]
)
def test_the_bar_fills_up_to_the_quota(share: float | None, filled: int) -> None:
    # 40 cells, two of which are the marks of the thresholds at 40 % and 70 %.
    bar = usage_bar(share, Plan(), cells=40).plain
    assert (40, 2, filled) == (len(bar), bar.count("┃"), bar.count("█"))


def test_the_summary_names_the_peak() -> None:
    record = Record(Plan(), clock=lambda: 0.0)
    record.use(DB_FILE, 0.815)
    assert "peak 81.5% of the quota" in printed(summary(record, judge(record, with_shield=True)))
