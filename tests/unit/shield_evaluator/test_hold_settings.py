"""Settings of holding: what they mean, and the sentence for each mistake."""

import pytest

from shield_common.config.loader import SettingsError
from tests.unit.shield_evaluator.test_settings import changed, read

PLACE = "tiers/standard/db-file"


def _full(**threshold: object) -> float | None:
    settings = read(changed(PLACE, {"set": 0.90, "reset": 0.80, **threshold}))
    return settings.plan().tiers["standard"]["db-file"].full


def test_nothing_is_held_unless_holding_is_on() -> None:
    assert read(changed("interval", "5s")).plan().max_held is None
    assert read(changed("hold", {"max_runs": 50})).plan().max_held is None
    assert 50 == read(changed("hold", {"enabled": True, "max_runs": 50})).plan().max_held
    assert 5000 == read(changed("hold", {"enabled": True})).plan().max_held


def test_full_is_half_way_from_set_to_the_quota_unless_given() -> None:
    assert pytest.approx(0.95) == _full()
    assert 0.92 == _full(full=0.92)
    assert 1.0 == _full(set=1.0)


@pytest.mark.parametrize(
    ("threshold", "problem"),
    [
        ({"full": 0.89}, "full (0.89) must not be below set (0.9)"),
        ({"full": -1}, "full (-1) must not be below set (0.9)"),
    ],
)
def test_a_full_that_makes_no_sense_is_refused(threshold: dict[str, object], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _full(**threshold)
    assert problem in str(caught.value)


@pytest.mark.parametrize("runs", [0, -1, 100_001, "many"])
def test_a_number_of_runs_that_makes_no_sense_is_refused(runs: object) -> None:
    with pytest.raises(SettingsError, match="max_runs"):
        read(changed("hold", {"enabled": True, "max_runs": runs}))
