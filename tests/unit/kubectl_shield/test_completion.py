"""Completions in the form that kubectl reads."""

import pytest

from kubectl_shield.completion import completions


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["st"], ["status"], id="a subcommand"),
        pytest.param(["queue", "--output", "j"], ["json"], id="a value"),
        pytest.param(["--context", "prod", "q"], ["queue"], id="after an option of the cluster"),
    ],
)
def test_words_are_completed(words: list[str], expected: list[str]) -> None:
    *found, directive = completions(words)
    assert (expected, ":4") == ([line.partition("\t")[0] for line in found], directive)


def test_a_description_follows_a_tab() -> None:
    assert completions(["q"])[0].startswith("queue\tList held runs")


def test_file_names_are_left_to_the_shell() -> None:
    assert [":0"] == completions(["explain", "--filename", ""])


def test_without_a_word_all_subcommands_are_offered() -> None:
    offered = {line.partition("\t")[0] for line in completions([])}
    assert {"status", "queue", "explain", "override"} <= offered
