"""What `shield-evaluator backtest` refuses, and what it makes of a recording."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shield_evaluator.cli import main

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"

RECORDING: dict[str, Any] = {
    "schema": 1,
    "start": "2026-11-16T00:00:00Z",
    "step_seconds": 30,
    "steps": 4,
    "queries": [
        {
            "expression": "a",
            "signals": ["db-file"],
            "series": [{"member": member, "values": [0.5, 0.95, None, "NaN"]} for member in "abc"],
        },
        {
            "expression": "b",
            "signals": ["db-in-use"],
            "series": [{"member": member, "values": [0.1, 0.1, 0.1, 0.1]} for member in "abc"],
        },
    ],
}


def _backtest(*arguments: str | Path) -> Result:
    command = ["backtest", "--config", str(EXAMPLE), *map(str, arguments)]
    return CliRunner().invoke(main, command)


def _replay(tmp_path: Path, document: object, *arguments: str | Path) -> Result:
    file = tmp_path / "samples.json"
    file.write_text(json.dumps(document))
    return _backtest("--from-file", file, *arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "yesterday"), "'yesterday' is not a time"),
        (("--from", "-7x"), "'-7x' is not a time"),
        (("--to", "2026-13-01"), "'2026-13-01' is not a time"),
        (("--from", "-99999999w"), "out of range"),
        (("--from", "1e300"), "is not a time"),
        (("--from", "now"), "--from must lie before now"),
        (("--from", "2999-01-01"), "--from must lie before now"),
        (("--from", "-1d", "--to", "-2d"), "the range is empty"),
        (("--from", "-1d", "--to", "-1d"), "the range is empty"),
        (("--step", "0"), "--step must be at least 1ms"),
        (("--step", "fast"), "not a duration"),
        (("--from", "-50w", "--step", "1ms"), "take a shorter range or a longer step"),
        (("--prometheus", "prometheus:9090"), "is not an http:// or https:// URL"),
        (("--prometheus", "http://user:secret@host"), "credentials belong into"),
        (("--plot", "usage.jpeg"), "must end in .png or .svg"),
        (("--from-file", "x.json", "--from", "-1d"), "--from-file cannot be combined with"),
        (("--compare", "missing.yaml"), "missing.yaml: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_usage_is_one_line_and_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    result = _backtest(*arguments)
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert message in result.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "a recording of schema 2"),
        ({"start": "today"}, "not a recording: start: must be a time such as 20"),
        ({"step_seconds": 0}, "not a recording: step_seconds: must be above 0"),
        ({"steps": 5}, "has 4 values, not 5"),
        ({"steps": 10**9}, "take a shorter range"),
        ({"queries": []}, "not a recording"),
    ],
    ids=["schema", "start", "step", "steps", "too many", "no queries"],
)
def test_a_bad_recording_is_one_line_and_exit_code_1(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    result = _replay(tmp_path, RECORDING | change)
    assert (1, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert message in result.stderr


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe", b"null", b"[" * 100_000], ids=["empty", "bytes", "null", "deep"]
)
def test_a_file_that_is_not_a_recording_is_exit_code_1(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "samples.json"
    file.write_bytes(content)
    result = _backtest("--from-file", file)
    assert (1, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))


def test_a_signal_without_samples_is_exit_code_2(tmp_path: Path) -> None:
    result = _replay(tmp_path, RECORDING | {"queries": RECORDING["queries"][:1]})
    assert 2 == result.exit_code
    assert "there are no samples of signal db-in-use (of: db-file)" in result.stderr


def test_samples_of_another_query_are_pointed_out(tmp_path: Path) -> None:
    result = _replay(tmp_path, RECORDING)
    assert 0 == result.exit_code
    assert "signal db-file: these samples were recorded with another query" in result.stderr


def test_the_report_has_the_reason_of_a_closing_that_lasts(tmp_path: Path) -> None:
    result = _replay(tmp_path, RECORDING, "--output", "json")
    report = json.loads(result.stdout)["reports"][0]
    closing = report["tiers"]["standard"]["closings"][0]
    assert "etcd is at 95.0% of its quota" == closing["reason"]
    assert "2026-11-16T00:00:30Z" == closing["start"]
    assert closing["end"] is None


def test_the_table_shows_a_gap_and_that_the_latches_held(tmp_path: Path) -> None:
    result = _replay(tmp_path, RECORDING)
    assert "no samples" in result.stdout
    assert "latches held" in result.stdout


def test_a_plot_without_matplotlib_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # what Python calls not importable
    result = _replay(tmp_path, RECORDING, "--plot", tmp_path / "usage.png")
    assert (2, "", 1) == (result.exit_code, result.stdout, result.stderr.count("\n"))
    assert "pip install 'shield-evaluator[plot]'" in result.stderr


def test_a_comparison_names_each_configuration_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    full = [
        {**RECORDING["queries"][0], "series": [{"member": "a", "values": [0.5, 0.95, 1.0, 1.0]}]}
    ]
    other = tmp_path / "a-rather-long-name-of-a-file.yaml"
    other.write_text(EXAMPLE.read_text())
    document = {**RECORDING, "queries": [*full, RECORDING["queries"][1]]}
    shown = _replay(tmp_path, document, "--compare", other).stdout
    assert "Outages" in shown
    assert "…" not in shown.partition("Outages")[2]
