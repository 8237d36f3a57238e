"""What a configuration check makes of the answers."""

import pytest

from shield_common.config.loader import convert
from shield_evaluator.console.trial import Effect, judge
from shield_evaluator.core.observation import Observation
from shield_evaluator.settings import EvaluatorSettings
from tests.unit.shield_evaluator.documents import minimal
from tests.unit.shield_evaluator.plans import complete, partial, silent

SETTINGS = convert(minimal(), EvaluatorSettings)


@pytest.mark.parametrize(
    ("observation", "effect"),
    [
        pytest.param(complete(0.95), Effect.DENY, id="above set"),
        pytest.param(complete(0.85), Effect.HOLD, id="inside the band"),
        pytest.param(complete(0.5), Effect.ADMIT, id="below reset"),
        pytest.param(partial(0.5), Effect.HOLD, id="low, one member missing"),
        pytest.param(partial(0.95), Effect.DENY, id="high, one member missing"),
        pytest.param(silent(), Effect.HOLD, id="unusable"),
    ],
)
def test_a_value_has_an_effect(observation: Observation, effect: Effect) -> None:
    assert effect is judge(SETTINGS, {"db-file": observation}).tiers["standard"].effect


def test_one_denying_signal_is_enough() -> None:
    document = minimal()
    document["signals"].append({"name": "db-in-use", "query": "x"})
    document["tiers"]["standard"]["db-in-use"] = {"set": 0.85, "reset": 0.75}
    settings = convert(document, EvaluatorSettings)
    trial = judge(settings, {"db-file": complete(0.95), "db-in-use": complete(0.1)})
    assert Effect.DENY is trial.tiers["standard"].effect


@pytest.mark.parametrize(
    ("observation", "sound"),
    [
        pytest.param(complete(0.99), True, id="complete"),
        pytest.param(partial(0.5), False, id="partial"),
        pytest.param(silent(), False, id="unusable"),
    ],
)
def test_only_complete_answers_are_sound(observation: Observation, *, sound: bool) -> None:
    assert sound is judge(SETTINGS, {"db-file": observation}).sound


def test_without_answers_nothing_is_claimed() -> None:
    trial = judge(SETTINGS, None)
    assert (Effect.UNKNOWN, "not asked") == (
        trial.tiers["standard"].effect,
        trial.signals["db-file"].state,
    )
