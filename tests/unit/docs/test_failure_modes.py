"""The failure table promises; this holds it to the suite."""

import pytest

from tools.failure_modes import COMMANDS, PAGE, ROOT, render, rows, rows_with_tests

PAGE_TEXT = PAGE.read_text(encoding="utf-8")
TESTS = rows_with_tests(ROOT)


@pytest.mark.parametrize("row", rows(PAGE_TEXT))
def test_every_row_is_shown_by_a_test_or_a_command(row: str) -> None:
    assert row in TESTS or row in COMMANDS


def test_every_test_that_names_a_row_names_one_of_the_table() -> None:
    assert set() == TESTS.keys() - set(rows(PAGE_TEXT))


def test_the_table_is_current() -> None:
    assert render(PAGE_TEXT, TESTS) == PAGE_TEXT, "run `make generate`"
