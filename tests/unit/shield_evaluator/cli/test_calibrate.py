"""What `shield-evaluator calibrate` takes, refuses and prints."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shield_common.config.loader import load
from shield_evaluator.backtest import recording
from shield_evaluator.cli import main
from shield_evaluator.settings import EvaluatorSettings
from tests.histories.library import named
from tests.histories.runs import MIB, Load, samples_with_runs
from tests.histories.samples import samples_of

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of a day with runs of 4.6 MiB."""
    expressions = dict(load(EXAMPLE, EvaluatorSettings, environment={}).expressions())
    file = tmp_path_factory.mktemp("recordings") / "day.json"
    file.write_bytes(recording.encode(samples_with_runs(Load(hours=24), expressions)))
    return file


def _calibrate(*arguments: str | Path) -> Result:
    command = ["calibrate", "--config", str(EXAMPLE), *map(str, arguments)]
    return CliRunner().invoke(main, command)


def test_it_prints_what_a_run_costs_and_the_settings_to_paste(day: Path) -> None:
    result = _calibrate("--from-file", day)

    assert 0 == result.exit_code
    assert "run_cost" in result.stdout
    assert "db-in-use: {set: 0.85, reset: 0.75, warn: 0.75, run_cost: 4" in result.stdout
    assert "the API server's count" in result.stdout


def test_json_has_the_same_for_programs(day: Path) -> None:
    document = json.loads(_calibrate("--from-file", day, "--output", "json").stdout)

    assert pytest.approx(4.6 * MIB, rel=0.05) == document["run_cost"]
    assert "15m" == document["settings"]["grows_over"]
    assert "runs created" == document["source"]


def test_calibrate_draws_a_picture(day: Path, tmp_path: Path) -> None:
    picture = tmp_path / "cost.png"

    assert 0 == _calibrate("--from-file", day, "--plot", picture).exit_code
    assert b"\x89PNG" == picture.read_bytes()[:4]


def test_what_is_recorded_can_be_calibrated_again(day: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.json"

    first = _calibrate("--from-file", day, "--record", again)

    assert first.stdout == _calibrate("--from-file", again).stdout


def test_a_recording_without_runs_ends_with_1_and_a_sentence(tmp_path: Path) -> None:
    expressions = dict(load(EXAMPLE, EvaluatorSettings, environment={}).expressions())
    file = tmp_path / "old.json"
    file.write_bytes(recording.encode(samples_of(named("burst").course, expressions)))

    result = _calibrate("--from-file", file)

    assert 1 == result.exit_code
    assert "there are no samples of created runs" in result.stderr


def test_a_signal_that_does_not_exist_ends_with_2(day: Path) -> None:
    result = _calibrate("--from-file", day, "--signal", "memory")

    assert 2 == result.exit_code
    assert "there is no signal 'memory'" in result.stderr


def test_another_quota_scales_the_cost(day: Path) -> None:
    half = _calibrate("--from-file", day, "--quota", "4Gi", "--output", "json")

    assert pytest.approx(2.3 * MIB, rel=0.05) == json.loads(half.stdout)["run_cost"]
