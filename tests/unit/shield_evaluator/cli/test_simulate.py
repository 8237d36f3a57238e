"""What `shield-evaluator simulate` takes, refuses and prints."""

import dataclasses
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shield_evaluator.backtest import recording
from shield_evaluator.backtest.runs import count_runs
from shield_evaluator.cli import main
from shield_evaluator.simulate.scenarios import SCENARIOS
from tests.histories.runs import Load, samples_with_runs

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"
# A minute of nothing: for what does not depend on what happens.
SHORT = ("--rate", "1/s", "--for", "1m", "--before", "never", "--after", "never")
# Two admitted runs fill this etcd, within a minute.
TINY = (
    *("--rate", "2/s", "--for", "2m", "--before", "never", "--after", "never"),
    *("--quota", "64Mi", "--run-leaves", "1Mi", "--run-writes", "1Mi", "--run-lasts", "1m"),
)


def _simulate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["simulate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give one of --scenario, --rate with --for, --arrivals"),
        (("--scenario", "quiet-day", "--rate", "1/s"), "give one of"),
        (("--rate", "1/s"), "each --rate needs one --for"),
        (("--for", "1m"), "each --rate needs one --for"),
        (("--rate", "fast", "--for", "1m"), "'fast' is not a rate such as 3/s or 40/m"),
        (("--rate", "-1/s", "--for", "1m"), "is not a rate"),
        (("--rate", "2000/s", "--for", "1m"), "from 0/s to 1000/s"),
        (("--rate", "1/s", "--for", "soon"), "'soon' is not a duration"),
        (("--rate", "1/s", "--for", "0.1s"), "at least 1s"),
        (("--rate", "1/s", "--for", "2000h"), "from 1s to 168h"),
        ((*SHORT, "--in-use", "150%"), "is not a share such as 15% or 0.15"),
        ((*SHORT, "--in-use", "100%"), "etcd must start below its quota"),
        ((*SHORT, "--quota", "8Ti"), "is not a size such as 8Mi"),
        ((*SHORT, "--quota", "1Ki"), "quota must be from 1Mi to 1024Gi"),
        ((*SHORT, "--run-cost", "1"), "run_cost must be from 1Ki to 1Gi"),
        ((*SHORT, "--without-metrics", "30m-15m"), "is not a period such as 15m-30m"),
        ((*SHORT, "--tier", "urgent"), "there is no tier 'urgent'"),
        ((*SHORT, "--admitters", "0"), "x>=1"),
        ((*SHORT, "--admitters", "1000"), "from 1 to 100 admitters"),
        ((*SHORT, "--plot", "etcd.gif"), "must end in .png or .svg"),
        (("--scenario", "flood"), "is not one of"),
        ((*SHORT, "--config", "absent.yaml"), "absent.yaml"),
    ],
)
def test_a_bad_command_line_ends_with_2_and_a_sentence(
    arguments: tuple[str, ...], message: str
) -> None:
    result = _simulate(*arguments)

    assert 2 == result.exit_code
    assert message in result.output
    assert "Traceback" not in result.output


def test_help_lists_the_scenarios() -> None:
    result = _simulate("--help")

    assert all(f"{one.name} " in result.stdout for one in SCENARIOS)


def test_a_flood_is_shown_with_room_with_latches_alone_and_without_a_shield() -> None:
    result = _simulate(*TINY, "--output", "json")

    (simulation,) = json.loads(result.stdout)["simulations"]
    variants = simulation["variants"]
    assert "2/s for 2m" == simulation["name"]
    assert ["latches and room", "latches alone", "no shield"] == list(variants)
    assert variants["latches and room"]["outage_seconds"] is None
    assert variants["no shield"]["outage_seconds"] is not None


def test_the_table_says_when_etcd_is_full_and_what_runs_cost() -> None:
    result = _simulate(*TINY, "--run-cost", "1Mi")

    assert 0 == result.exit_code
    assert "etcd full after" in result.stdout
    assert "A simulated run writes 2.0 MiB; run_cost is 1.0 MiB." in result.stdout


def test_runs_lost_for_want_of_slots_come_with_the_slots_that_hold_all() -> None:
    flood = (*TINY, "--patient", "0%")
    result = _simulate(*flood, "--hold", "9", "--output", "json")
    (simulation,) = json.loads(result.stdout)["simulations"]
    lost = simulation["variants"]["latches, room, holding"]["tiers"]["standard"]["lost"]
    needed = simulation["max_runs_needed"]

    one_less = _simulate(*flood, "--hold", f"{needed - 1}").stdout
    enough = _simulate(*flood, "--hold", f"{needed}").stdout

    assert 0 < lost
    assert f" of 240 runs lost for want of slots; max_runs {needed} would hold all." in one_less
    assert "lost for want of slots" not in enough


def test_where_etcd_is_full_no_number_of_slots_holds_all() -> None:
    result = _simulate("--rate", "1/s", "--for", "1m", "--in-use", "95%", "--hold", "9")

    assert "no max_runs would hold all, because etcd is at `full`" in result.stdout


def test_a_configuration_without_run_cost_is_tried_without_room(tmp_path: Path) -> None:
    config = tmp_path / "evaluator.yaml"
    config.write_text(EXAMPLE.read_text().replace(", run_cost: 4Mi", ""))

    result = _simulate(*SHORT, "--config", config, "--output", "json")

    assert "no tier has a run_cost" in result.stderr
    assert ["latches alone", "no shield"] == list(
        json.loads(result.stdout)["simulations"][0]["variants"]
    )


def test_a_signal_that_is_not_about_etcds_size_is_pointed_out(tmp_path: Path) -> None:
    config = tmp_path / "evaluator.yaml"
    config.write_text(
        'cluster: a\nprometheus: {urls: ["http://p:9090"]}\n'
        "signals: [{name: db-file, query: x}, {name: full, alert: EtcdFull}]\n"
        "tiers: {standard: {db-file: {set: 0.9, reset: 0.8}, full: {}}}\n"
        'redis: {url: "redis://r:6379/0"}\n'
    )

    result = _simulate(*SHORT, "--config", config, "--run-cost", "4Mi")

    assert 0 == result.exit_code
    assert "signal full reads nothing of a simulated etcd" in result.stderr


def test_runs_arrive_as_they_were_created_in_a_recording(tmp_path: Path) -> None:
    load = Load(hours=0.5, rate=lambda hours: 2.0 if hours < 0.25 else 0.0)
    samples = samples_with_runs(load, {"db-file": "a", "db-in-use": "b"})
    runs, file = count_runs(samples), tmp_path / "half-an-hour.json"
    file.write_bytes(recording.encode(samples))

    result = _simulate("--arrivals", file, "--output", "json")

    (simulation,) = json.loads(result.stdout)["simulations"]
    tier = simulation["variants"]["no shield"]["tiers"]["standard"]
    assert runs is not None
    assert pytest.approx(runs.runs, abs=1) == tier["arrived"]


def test_a_recording_without_runs_is_refused(tmp_path: Path) -> None:
    samples = samples_with_runs(Load(hours=0.1), {"db-file": "a", "db-in-use": "b"})
    file = tmp_path / "old.json"
    old = dataclasses.replace(samples, queries=samples.queries[:2])
    file.write_bytes(recording.encode(old))

    result = _simulate("--arrivals", file)

    assert 2 == result.exit_code
    assert "old.json has no created runs" in result.stderr


def test_a_recording_that_cannot_be_read_ends_with_1() -> None:
    result = _simulate("--arrivals", "absent.json")

    assert 1 == result.exit_code
    assert "absent.json: cannot be read" in result.stderr


def test_simulate_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "etcd.png"

    result = _simulate(*TINY, "--plot", picture)

    assert 0 == result.exit_code
    assert b"\x89PNG" == picture.read_bytes()[:4]


def test_a_picture_that_cannot_be_written_ends_with_1(tmp_path: Path) -> None:
    result = _simulate(*SHORT, "--plot", tmp_path / "absent" / "etcd.svg")

    assert 1 == result.exit_code
    assert "cannot be written" in result.stderr


def test_a_picture_needs_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    result = _simulate(*SHORT, "--plot", "etcd.png")

    assert 2 == result.exit_code
