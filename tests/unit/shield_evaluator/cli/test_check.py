"""`shield-evaluator check` without a server."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from shield_evaluator.cli import main
from shield_evaluator.cli.override import override
from tests.unit.shield_evaluator.documents import minimal


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "evaluator.yaml"
    path.write_text(yaml.safe_dump(minimal()))
    return path


def test_offline_a_valid_file_is_exit_code_0(config: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--offline", "--config", str(config)])
    assert 0 == result.exit_code
    assert "db-file" in result.stdout


def test_the_last_line_is_the_conclusion(config: Path) -> None:
    result = CliRunner().invoke(main, ["check", "--offline", "--config", str(config)])
    last = result.stdout.splitlines()[-1]
    assert "The configuration is valid. Neither Prometheus nor Redis was asked." == last


def test_a_prometheus_that_does_not_answer_is_exit_code_1(config: Path) -> None:
    nobody = {"urls": ["http://127.0.0.1:1"]}
    config.write_text(yaml.safe_dump(minimal() | {"prometheus": nobody}))
    result = CliRunner().invoke(main, ["check", "--skip-redis", "--config", str(config)])
    last = result.stdout.splitlines()[-1]
    expected = (
        "The configuration is valid, but not every signal has a complete answer:"
        " db-file is unusable."
    )
    assert (1, expected) == (result.exit_code, last)


def test_a_redis_that_does_not_answer_is_exit_code_1(config: Path) -> None:
    document = minimal() | {"redis": {"url": "redis://127.0.0.1:1/0"}}
    config.write_text(yaml.safe_dump(document | {"prometheus": {"urls": ["http://127.0.0.1:1"]}}))
    result = CliRunner().invoke(main, ["check", "--config", str(config)])
    assert 1 == result.exit_code
    assert (
        "Redis: connect (PING): cannot connect to 127.0.0.1:1: Connection refused" in result.stdout
    )
    assert result.stdout.endswith("Redis does not let the evaluator connect (PING).\n")


def test_what_a_program_reads_is_json_alone_while_prometheus_is_away(config: Path) -> None:
    room = {"set": 0.9, "reset": 0.8, "run_cost": "4Mi"}
    document = minimal() | {"tiers": {"standard": {"db-file": room}}}
    config.write_text(yaml.safe_dump(document | {"prometheus": {"urls": ["http://127.0.0.1:1"]}}))
    arguments = ["check", "--skip-redis", "--output", "json", "--config", str(config)]
    trial = json.loads(CliRunner().invoke(main, arguments).stdout)
    assert ["etcd_server_quota_backend_bytes"] == list(trial["quota_problems"])


def test_offline_json_has_the_thresholds(config: Path) -> None:
    arguments = ["check", "--offline", "--output", "json", "--config", str(config)]
    trial = json.loads(CliRunner().invoke(main, arguments).stdout)
    threshold = trial["tiers"]["standard"]["signals"]["db-file"]
    assert (0.9, 0.8) == (threshold["set"], threshold["reset"])


def test_e8_a_bad_file_ends_with_2_and_one_line_that_names_the_place(config: Path) -> None:
    config.write_text(config.read_text().replace("reset: 0.8", "reset: 0.95"))
    result = CliRunner().invoke(main, ["check", "--offline", "--config", str(config)])
    assert 2 == result.exit_code
    assert (
        f"shield-evaluator: {config}: tiers.standard.db-file: "
        "reset (0.95) must be below set (0.9)\n" == result.stderr
    )


def test_e8_run_refuses_a_bad_file_before_anything_starts(config: Path) -> None:
    config.write_text("cluster: [")
    result = CliRunner().invoke(main, ["run", "--config", str(config)])
    assert 2 == result.exit_code
    assert 1 == result.stderr.count("\n")


def test_every_subcommand_documents_its_exit_codes() -> None:
    for words in [[name] for name in main.commands] + [["override", n] for n in override.commands]:
        assert "Exit codes:" in CliRunner().invoke(main, [*words, "--help"]).stdout
