"""The settings that are printed are those that were found, and can be pasted."""

from pathlib import Path

import msgspec
import pytest
import yaml

from shield_common.config.loader import load
from shield_evaluator.calibrate.advice import grows_over_of, run_cost_of, settings_text
from shield_evaluator.calibrate.fit import Calibration, Interval
from shield_evaluator.settings import EvaluatorSettings

EXAMPLE = Path(__file__).parents[4] / "docs" / "examples" / "evaluator.yaml"
MIB = 1024**2
FOUND = Calibration(
    run_cost=4.5 * MIB,
    run_cost_interval=Interval(4.4 * MIB, 4.6 * MIB),
    grows_over_seconds=720.0,
    grows_over_interval=Interval(720.0, 720.0),
    other_growth=0.0,
    explained=0.9,
    runs=1000,
    stretches=100,
    seconds=86_400.0,
)


@pytest.mark.parametrize(
    ("high", "text"),
    [(4.6 * MIB, "4736Ki"), (4.0 * MIB, "4Mi"), (0.1 * MIB, "128Ki"), (3.99 * MIB, "4Mi")],
)
def test_the_upper_end_is_rounded_up(high: float, text: str) -> None:
    interval = Interval(0.1, high)

    assert text == run_cost_of(msgspec.structs.replace(FOUND, run_cost_interval=interval))


def test_what_is_printed_is_a_configuration_with_what_was_found(tmp_path: Path) -> None:
    settings = load(EXAMPLE, EvaluatorSettings, environment={})
    document = yaml.safe_load(EXAMPLE.read_text())

    pasted = yaml.safe_load(settings_text(FOUND, settings.tiers, ("db-file", "db-in-use")))
    file = tmp_path / "evaluator.yaml"
    file.write_text(yaml.safe_dump({**document, **pasted}))
    plan, before = load(file, EvaluatorSettings, environment={}).plan(), settings.plan()

    for tier, thresholds in plan.tiers.items():
        for signal, threshold in thresholds.items():
            assert threshold.room is not None
            assert (4736 * 1024, 720_000) == (threshold.room.run_cost, threshold.room.grows_over_ms)
            old = before.tiers[tier][signal]
            assert (old.set, old.reset, old.warn) == (
                threshold.set,
                threshold.reset,
                threshold.warn,
            )


def test_an_unknown_time_is_not_printed() -> None:
    settings = load(EXAMPLE, EvaluatorSettings, environment={})
    untold = msgspec.structs.replace(FOUND, grows_over_seconds=None)

    assert grows_over_of(untold) is None
    assert "grows_over: 12m" not in settings_text(untold, settings.tiers, ("db-file",))


def test_a_signal_that_is_no_share_of_the_quota_gets_no_cost() -> None:
    settings = load(EXAMPLE, EvaluatorSettings, environment={})

    lines = settings_text(FOUND, settings.tiers, ("db-in-use",)).splitlines()

    assert not any("4736Ki" in line for line in lines if "db-file" in line)
    assert all("4736Ki" in line for line in lines if "db-in-use" in line)
