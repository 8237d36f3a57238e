"""Settings of room: what they mean, and the sentence for each mistake (E8)."""

import pytest

from shield_common.config.loader import SettingsError
from shield_evaluator.core.plan import RoomPlan
from tests.unit.shield_evaluator.test_settings import changed, read

PLACE = "tiers/standard/db-file"


def _with(**room: object) -> dict[str, object]:
    return changed(PLACE, {"set": 0.90, "reset": 0.80, **room})


def _room_plan(**room: object) -> RoomPlan | None:
    return read(_with(**room)).plan().tiers["standard"]["db-file"].room


def test_without_a_run_cost_a_signal_says_nothing_about_room() -> None:
    assert _room_plan() is None


def test_a_run_cost_alone_takes_the_documented_defaults() -> None:
    assert RoomPlan(
        target=0.88,
        run_cost=4 * 1024**2,
        lag_ms=30_000,
        grows_over_ms=900_000,
        spend_ms=60_000,
    ) == _room_plan(run_cost="4Mi")


def test_a_run_cost_is_a_plain_number_which_a_decision_can_carry() -> None:
    room_plan = _room_plan(run_cost="4Mi")
    assert room_plan is not None
    assert int is type(room_plan.run_cost)


def test_every_room_setting_reaches_the_plan() -> None:
    assert RoomPlan(
        target=0.7,
        run_cost=65_536,
        lag_ms=0,
        grows_over_ms=12_000,
        spend_ms=2_000,
        reopen=5,
    ) == _room_plan(run_cost=65_536, target=0.7, lag="0s", grows_over="12s", spend="2s", reopen=5)


@pytest.mark.parametrize(
    ("room", "problem"),
    [
        pytest.param({"run_cost": -1}, "is not a size", id="negative-cost"),
        pytest.param({"run_cost": 0}, "is not a size", id="cost-of-zero"),
        pytest.param({"run_cost": 1}, "run_cost must be from 1Ki to 1Gi", id="cost-of-a-byte"),
        pytest.param({"run_cost": "2Gi"}, "run_cost must be from 1Ki to 1Gi", id="absurd-cost"),
        pytest.param(
            {"run_cost": "4Mi", "target": 0.9}, "target (0.9) must be below set", id="target-at-set"
        ),
        pytest.param({"run_cost": "4Mi", "target": 0}, "must be above 0", id="target-of-zero"),
        pytest.param(
            {"run_cost": "4Mi", "set": 2},
            "set (2): run_cost needs a target, by default 0.02 below set",
            id="set-without-target",
        ),
        pytest.param(
            {"run_cost": "4Mi", "grows_over": "0s"}, "must be above 0s", id="no-time-to-grow"
        ),
        pytest.param({"run_cost": "4Mi", "spend": "0s"}, "must be above 0s", id="no-time-to-spend"),
        pytest.param({"run_cost": "4Mi", "reopen": 1}, "at least 2 runs", id="reopen-that-flaps"),
        pytest.param({"spend": "1m"}, "spend: needs run_cost", id="room-without-cost"),
    ],
)
def test_e8_a_mistake_in_a_room_setting_is_named_with_its_place(
    room: dict[str, object], problem: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        read(_with(**room))
    assert "tiers.standard.db-file" in str(refusal.value)
    assert problem in str(refusal.value)


def test_e8_an_alert_says_nothing_about_room() -> None:
    document = changed("signals/0", {"name": "db-file", "alert": "EtcdFull"})
    document["tiers"]["standard"]["db-file"] = {"run_cost": "4Mi"}
    with pytest.raises(SettingsError, match="an alert says nothing about room"):
        read(document)


def test_e8_a_signal_in_numbers_says_nothing_about_room() -> None:
    document = _with(run_cost="4Mi")
    signals = document["signals"]
    assert isinstance(signals, list)
    signals[0]["unit"] = "number"
    with pytest.raises(SettingsError, match="room is a share of etcd's quota"):
        read(document)
