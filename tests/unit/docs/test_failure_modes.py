"""The failure table and the tests name each other."""

from collections import Counter
from pathlib import Path

import pytest

from tools.failure_modes import COMMANDS, PAGE, ROOT, render, rows, rows_of_name, rows_with_tests

PAGE_TEXT = PAGE.read_text(encoding="utf-8")
TESTS = rows_with_tests(ROOT)


@pytest.mark.parametrize("row", rows(PAGE_TEXT))
def test_every_failure_mode_has_a_test_or_a_command(row: str) -> None:
    assert row in TESTS or row in COMMANDS


def test_every_row_that_a_test_names_is_a_failure_mode() -> None:
    assert set() == TESTS.keys() - set(rows(PAGE_TEXT))


def test_every_row_has_a_name_of_its_own() -> None:
    assert [] == [row for row, count in Counter(rows(PAGE_TEXT)).items() if count > 1]


@pytest.mark.parametrize(
    "rows_of_table",
    [
        pytest.param([f"A{n}" for n in range(1, 22)], id="towards the admitter"),
        pytest.param([f"B{n}" for n in range(1, 8)], id="room"),
        pytest.param([f"R{n}" for n in range(1, 12)], id="Redis"),
        pytest.param([f"P{n}" for n in range(1, 6)], id="Prometheus"),
        pytest.param([f"E{n}" for n in range(1, 9)], id="the evaluator"),
        pytest.param([f"S{n}" for n in range(1, 4)], id="everything together"),
        pytest.param([f"H{n}" for n in range(1, 9)], id="holding"),
        pytest.param([f"K{n}" for n in range(1, 3)], id="pods and policies"),
        pytest.param([f"trial T{n}" for n in range(1, 27)], id="reports"),
        pytest.param([f"trial S{n}" for n in range(1, 14)], id="hostile tries"),
        pytest.param([f"N{n}" for n in range(1, 7)], id="on a node"),
    ],
)
def test_the_page_has_every_row_of(rows_of_table: list[str]) -> None:
    assert set() == set(rows_of_table) - set(rows(PAGE_TEXT))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("test_r3_flushall", {"R3"}),
        ("test_p2_p3_a_bad_answer", {"P2", "P3"}),
        ("test_t2_two_jobs", {"trial T2"}),
        ("test_trial_s2_nothing", {"trial S2"}),
        ("test_s2_fill", {"S2"}),
        ("test_h1_a_killed_controller", {"H1"}),
        ("test_one_of_two", set()),
    ],
)
def test_a_name_begins_with_the_rows_that_the_test_shows(name: str, expected: set[str]) -> None:
    assert expected == rows_of_name(name)


def test_markers_of_a_test_its_class_and_its_module_count(tmp_path: Path) -> None:
    tests = tmp_path / "tests"
    tests.mkdir()
    (tests / "test_sample.py").write_text(
        """
pytestmark = [pytest.mark.long, pytest.mark.shows("trial T1")]

@pytest.mark.shows("trial T2")
class TestPart:
    @pytest.mark.shows("trial T3", "N1")
    async def test_fact(self): ...

def test_other(): ...
def helper(): ...
"""
    )
    expected = {
        "trial T1": ["test_sample.py (2)"],
        "trial T2": ["test_sample.py (1)"],
        "trial T3": ["test_sample.py (1)"],
        "N1": ["test_sample.py (1)"],
    }
    assert expected == rows_with_tests(tmp_path)


def test_the_failure_table_lists_the_present_tests() -> None:
    assert render(PAGE_TEXT, TESTS) == PAGE_TEXT, "run `make generate`"
