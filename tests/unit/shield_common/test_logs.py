"""Logs: one bounded line per event, whatever is in it."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from shield_common import logs
from shield_common.logs import MAX_ITEMS, MAX_TEXT, MAX_TRACEBACK, LogSettings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def stream_of(form: Literal["json", "console", "auto"] = "json") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(LogSettings(format=form), service="evaluator", stream=stream)
    return stream


def logged(**values: object) -> dict[str, Any]:
    stream = stream_of()
    logs.get("test").info("event", **values)
    (line,) = stream.getvalue().splitlines()
    event: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
    return event


def crash(message: str) -> None:
    local_secret = "hunter2"
    raise ValueError(message + local_secret[:0])


def test_an_event_says_what_when_who_and_how_bad() -> None:
    event = logged(tier="standard")
    assert ("event", "info", "evaluator", "standard") == (
        event["event"],
        event["level"],
        event["service"],
        event["tier"],
    )
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "name", ["two\nlines", "\x1b[31mred", "carriage\rreturn", "\u2028", "\udc80", "a\x00b"]
)
@pytest.mark.parametrize("form", ["json", "console"])
def test_a15_control_characters_stay_inside_one_line(
    name: str, form: Literal["json", "console"]
) -> None:
    stream = stream_of(form)
    logs.get("test").info("denied", name=name)
    assert 1 == len(stream.getvalue().splitlines())
    assert "\x1b" not in stream.getvalue()


def test_a15_a_long_name_is_cut_and_its_length_told() -> None:
    name = "n" * 10_000
    assert f"{'n' * MAX_TEXT}… (10000 characters)" == logged(name=name)["name"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        (("a", 1), ["a", "1"]),
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ({"a": 1}, "{'a': 1}"),
        ({("a", "b"): 1}, "{('a', 'b'): 1}"),
        (2**70, hex(2**70)),
    ],
)
def test_every_value_is_plain_json(value: object, expected: object) -> None:
    assert expected == logged(value=value)["value"]


@pytest.mark.parametrize(
    "value",
    [
        ["x" * 10_000],
        ["x"] * 10_000,
        {"x": "y" * 10_000},
        [["x" * 10_000]],
        10**10_000,
        "x" * 1_000_000,
    ],
    ids=["text in a list", "list", "mapping", "nested", "number", "text"],
)
def test_nothing_makes_a_line_long(value: object) -> None:
    assert MAX_ITEMS * MAX_TEXT > len(json.dumps(logged(value=value)))


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_exception_shows_no_local_variables(form: Literal["json", "console"]) -> None:
    stream = stream_of(form)
    try:
        crash("it failed")
    except ValueError:
        logs.get("test").exception("crashed")
    assert "ValueError: it failed" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_an_exception_is_one_json_line() -> None:
    stream = stream_of()
    try:
        crash("two\nlines")
    except ValueError:
        logs.get("test").exception("crashed")
    (line,) = stream.getvalue().splitlines()
    assert "ValueError: two\nlines" in json.loads(line)["exception"]


def test_a_huge_exception_keeps_its_end() -> None:
    stream = stream_of()
    try:
        crash("x" * 100_000 + "the end")
    except ValueError:
        logs.get("test").exception("crashed")
    exception = json.loads(stream.getvalue())["exception"]
    assert exception.endswith("the end")
    assert MAX_TRACEBACK + 100 > len(exception)


def test_an_escape_sequence_in_an_exception_does_not_reach_the_terminal() -> None:
    stream = stream_of("console")
    try:
        crash("\x1b[31mred")
    except ValueError:
        logs.get("test").exception("crashed")
    assert "\x1b" not in stream.getvalue()


def test_the_standard_librarys_logs_take_the_same_form() -> None:
    stream = stream_of()
    logging.getLogger("aiohttp").warning("from %s", "elsewhere")
    event = json.loads(stream.getvalue())
    assert ("from elsewhere", "warning", "evaluator") == (
        event["event"],
        event["level"],
        event["service"],
    )


def test_events_below_the_level_are_not_written() -> None:
    stream = stream_of()
    logs.get("test").debug("chatter")
    assert "" == stream.getvalue()


def test_the_level_can_change_while_running() -> None:
    stream = stream_of()
    logger = logs.get("test")
    logger.info("before")
    logs.set_level("error")
    logger.info("after")
    assert 1 == len(stream.getvalue().splitlines())


def test_what_is_no_terminal_gets_json() -> None:
    stream = stream_of("auto")
    logs.get("test").info("event")
    assert "event" == json.loads(stream.getvalue())["event"]
