"""Texts from others on a terminal: shown, never obeyed (TRIALS S10)."""

import io
import json
from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner
from rich.console import Console
from rich.table import Table

from shield_evaluator.cli.terminal import echo, echo_json, fail, say
from shield_evaluator.table_style import cell

pytestmark = pytest.mark.shows("trial S10")

HOSTILE = {
    "OSC title": "\x1b]0;owned\x07",
    "OSC hyperlink": "\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\",
    "CSI clear screen": "\x1b[2J\x1b[H",
    "CSI colour": "\x1b[31mred\x1b[0m",
    "C1 CSI": "\x9b2J",
    "C1 OSC": "\x9d0;owned\x9c",
    "BEL": "ding\x07",
    "backspace": "deny\x08\x08\x08\x08allow",
    "carriage return": "denied\rallowed",
    "newline": "one\nstandard: admitting",
    "line separator": "one\u2028two",
    "right-to-left override": "\u202ewolla",
    "isolate": "\u2066x\u2069",
    "zero width": "de\u200bny",
    "tag character": "a\U000e0041b",
}
# JSON is UTF-8, which has no lone surrogates; Python's file names and arguments have them.
SURROGATE = "a\ud800b"
by_text = pytest.mark.parametrize(
    "text", [*HOSTILE.values(), SURROGATE], ids=[*HOSTILE, "surrogate"]
)


def written(action: Callable[[], None]) -> str:
    """Return what a command writes to both streams."""
    return CliRunner().invoke(click.command()(action)).output


def unprintable(text: str) -> list[str]:
    return [c for c in text if not c.isprintable() and c != "\n"]


@by_text
def test_a_line_shows_control_characters(text: str) -> None:
    out = written(lambda: echo(text))
    assert ([], 1) == (unprintable(out), out.count("\n"))


@by_text
def test_a_message_shows_control_characters(text: str) -> None:
    out = written(lambda: say(text))
    assert ([], 1) == (unprintable(out), out.count("\n"))


@by_text
def test_a_failure_shows_control_characters(text: str) -> None:
    out = written(lambda: fail(text, 1))
    assert ([], 1) == (unprintable(out), out.count("\n"))


@by_text
def test_a_table_shows_control_characters(text: str) -> None:
    out = Console(file=io.StringIO(), width=200)
    table = Table()
    table.add_row(cell(text))
    out.print(table)
    assert isinstance(out.file, io.StringIO)
    assert [] == unprintable(out.file.getvalue())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_json_escapes_control_characters(text: str) -> None:
    out = written(lambda: echo_json({"reason": text}))
    assert ([], {"reason": text}) == (unprintable(out), json.loads(out))


def test_an_escape_is_shown_as_its_number() -> None:
    assert "\\x1b[2J" == cell("\x1b[2J").plain


def test_letters_of_every_language_stay_as_they_are() -> None:
    assert "größer, 大きい, больше" == cell("größer, 大きい, больше").plain
