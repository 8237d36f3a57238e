"""What both programs' subcommands have in common."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shield_common.command_line import Program, config_option, echo, echo_json, output_option
from shield_common.config.loader import SettingsStruct

PROGRAM = Program("shield-anything")


class Sample(SettingsStruct, frozen=True, kw_only=True):
    port: int


@click.command()
@config_option("/etc/anything.yaml")
@output_option("table")
def command(config: Path, output: str) -> None:
    click.echo(f"{config} {output}")


def test_without_options_the_usual_file_is_shown_to_people() -> None:
    assert "/etc/anything.yaml table\n" == CliRunner().invoke(command, []).output


@pytest.mark.parametrize("output", ["table", "json"])
def test_options_are_taken(output: str) -> None:
    arguments = ["--config", "x.yaml", "--output", output]
    assert f"x.yaml {output}\n" == CliRunner().invoke(command, arguments).output


def test_another_output_is_bad_usage() -> None:
    assert 2 == CliRunner().invoke(command, ["--output", "xml"]).exit_code


def test_a_failure_is_one_line_with_the_programs_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        PROGRAM.fail("the first\n  and the second line", 3)
    assert (3, "shield-anything: the first and the second line\n") == (
        ended.value.code,
        capsys.readouterr().err,
    )


def test_e8_a_bad_configuration_ends_the_process_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "anything.yaml"
    path.write_text("port: many\n")
    with pytest.raises(SystemExit) as ended:
        PROGRAM.load(path, Sample)
    assert 2 == ended.value.code
    assert f"shield-anything: {path}: port: " in capsys.readouterr().err


@pytest.mark.shows("trial S10")
@pytest.mark.parametrize("text", ["a\x1b[2J", "a\x9b2J", "a\u202eb", "a\x07"])
def test_what_others_wrote_is_printed_without_control_characters(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    echo(text)
    echo_json([text])
    printed = capsys.readouterr().out
    assert [] == [c for c in printed if not c.isprintable() and c != "\n"]
    assert text == json.loads(printed[printed.index("[\n") :])[0]


@pytest.mark.parametrize(
    ("program", "words", "unused"),
    [
        ("shield_evaluator", ["--version"], ["rich", "shield_evaluator.settings"]),
        ("shield_evaluator", ["simulate", "--help"], ["aiohttp", "jinja2", "redis"]),
        ("shield_evaluator", ["status", "--help"], ["aiohttp", "jinja2", "prometheus_client"]),
        ("shield_controller", ["release", "--help"], ["aiohttp.web", "uvloop"]),
        ("shield_admitter", ["explain", "--help"], ["aiohttp", "uvloop"]),
    ],
    ids=["none", "simulate", "status", "release", "explain"],
)
def test_a_command_does_not_load_the_libraries_of_the_others(
    program: str, words: list[str], unused: list[str]
) -> None:
    code = (
        f"import sys; from {program}.cli import main; main({words}, standalone_mode=False);"
        f"print(*({{*{unused}}} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "" == done.stdout.splitlines()[-1]
