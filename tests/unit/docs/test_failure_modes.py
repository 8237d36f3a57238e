"""The failure table and the tests name each other."""

import pytest

from tools.failure_modes import COMMANDS, PAGE, ROOT, render, rows, rows_with_tests

PAGE_TEXT = PAGE.read_text(encoding="utf-8")
TESTS = rows_with_tests(ROOT)


@pytest.mark.parametrize("row", rows(PAGE_TEXT))
def test_every_failure_mode_has_a_test_or_a_command(row: str) -> None:
    assert row in TESTS or row in COMMANDS


def test_every_row_that_a_test_names_is_a_failure_mode() -> None:
    assert set() == TESTS.keys() - set(rows(PAGE_TEXT))


def test_the_failure_table_lists_the_present_tests() -> None:
    assert render(PAGE_TEXT, TESTS) == PAGE_TEXT, "run `make generate`"
