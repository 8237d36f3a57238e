"""Logs: one bounded line per event, whatever it contains, and no write that blocks."""

import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, TextIO

import pytest
import structlog

from shield_common import logs
from shield_common.logs import MAX_ITEMS, MAX_TEXT, MAX_TRACEBACK, QUEUE_LINES, LogSettings

PATIENCE = 20.0  # seconds


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    structlog.reset_defaults()


class Written(io.StringIO):
    """A stream that is read once all lines are written."""

    def getvalue(self) -> str:
        assert logs.flush(PATIENCE)
        return super().getvalue()


def stream_of(form: Literal["json", "console", "auto"] = "json") -> io.StringIO:
    stream = Written()
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


def test_an_event_has_text_time_service_and_level() -> None:
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


def test_a15_a_long_name_is_truncated_with_its_length() -> None:
    name = "n" * 10_000
    assert f"{'n' * (MAX_TEXT - 1)}… (10000 characters)" == logged(name=name)["name"]


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


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """Return the end of a pipe to read, and the one to write as a stream."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    yield reading, stream
    stream.close()
    os.close(reading)


def lines_of(reading: int) -> Iterator[dict[str, Any]]:
    with os.fdopen(os.dup(reading), encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


@pytest.mark.shows("trial S8")
def test_a_stream_that_is_not_read_blocks_nothing_and_drops_are_counted(
    pipe: tuple[int, TextIO],
) -> None:
    reading, stream = pipe
    logs.configure(LogSettings(format="json"), service="evaluator", stream=stream)
    before = logs.dropped_lines()
    total = 3 * QUEUE_LINES
    for number in range(total):
        logs.get("test").info("event", number=number, padding="x" * 400)
    dropped = logs.dropped_lines() - before
    assert 0 < dropped < total
    assert not logs.flush(0.0)
    written = [line["number"] for line in islice(lines_of(reading), total - dropped)]
    # The first lines are kept, in their order: they tell how it began.
    assert list(range(total - dropped)) == written


@pytest.mark.shows("trial S8")
def test_lines_are_written_again_once_the_stream_is_read(pipe: tuple[int, TextIO]) -> None:
    reading, stream = pipe
    logs.configure(LogSettings(format="json"), service="evaluator", stream=stream)
    before, total = logs.dropped_lines(), 2 * QUEUE_LINES
    for number in range(total):
        logs.get("test").info("event", number=number, padding="x" * 400)
    lines = lines_of(reading)
    for _ in islice(lines, total - (logs.dropped_lines() - before)):
        pass
    logs.get("test").info("again")
    assert "again" == next(lines)["event"]


def test_a_stream_that_is_closed_is_counted_and_not_raised(pipe: tuple[int, TextIO]) -> None:
    _, stream = pipe
    logs.configure(LogSettings(format="json"), service="evaluator", stream=stream)
    before = logs.dropped_lines()
    stream.close()
    logs.get("test").info("event")
    assert logs.flush(PATIENCE)
    assert before + 1 == logs.dropped_lines()


def test_a_stream_that_another_process_made_non_blocking_gets_whole_lines(
    pipe: tuple[int, TextIO],
) -> None:
    reading, stream = pipe
    os.set_blocking(stream.fileno(), False)
    logs.configure(LogSettings(format="json"), service="evaluator", stream=stream)
    for number in range(500):
        logs.get("test").info("event", number=number, padding="x" * 400)
    written = [line["number"] for line in islice(lines_of(reading), 500)]
    assert list(range(500)) == written


ENDLESS = """
import sys
from shield_common import logs
logs.configure(logs.LogSettings(format="json"), service="evaluator")
for number in range(10000):
    logs.get("test").info("event", padding="x" * 400)
print("done")
sys.exit(3)
"""


@pytest.mark.shows("trial S8")
def test_a_process_whose_standard_error_is_not_read_ends_with_its_own_exit_code() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDLESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert b"done\n" == process.stdout.read()
        assert 3 == process.wait(PATIENCE)


def test_the_last_lines_before_an_exit_are_written() -> None:
    code = ENDLESS.replace("10000", "50")
    ended = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert 50 == len(ended.stderr.splitlines())
