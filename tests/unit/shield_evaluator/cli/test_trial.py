"""Answers of Prometheus weighed against the thresholds."""

import pytest

from shield_common.config.loader import convert
from shield_evaluator.cli.trial import Answers, trial_of
from shield_evaluator.core.observation import Observation
from shield_evaluator.settings import EvaluatorSettings
from shield_evaluator.status.chart import Effect
from tests.unit.shield_evaluator.documents import minimal
from tests.unit.shield_evaluator.plans import complete, partial, silent

SETTINGS = convert(minimal(), EvaluatorSettings)


@pytest.mark.parametrize(
    ("observation", "effect"),
    [
        pytest.param(complete(0.95), Effect.DENIES, id="above set"),
        pytest.param(complete(0.85), Effect.HOLDS, id="inside the band"),
        pytest.param(complete(0.5), Effect.ADMITS, id="below reset"),
        pytest.param(partial(0.5), Effect.HOLDS, id="low, one member missing"),
        pytest.param(partial(0.95), Effect.DENIES, id="high, one member missing"),
        pytest.param(silent(), Effect.HOLDS, id="unusable"),
    ],
)
def test_a_value_has_an_effect_on_its_tier(observation: Observation, effect: Effect) -> None:
    assert effect is trial_of(SETTINGS, Answers({"db-file": observation})).tiers["standard"].effect


def test_one_denying_signal_denies_the_tier() -> None:
    document = minimal()
    document["signals"].append({"name": "db-in-use", "query": "x"})
    document["tiers"]["standard"]["db-in-use"] = {"set": 0.85, "reset": 0.75}
    settings = convert(document, EvaluatorSettings)
    trial = trial_of(settings, Answers({"db-file": complete(0.95), "db-in-use": complete(0.1)}))
    assert Effect.DENIES is trial.tiers["standard"].effect


@pytest.mark.parametrize(
    ("observation", "expected"),
    [
        pytest.param(complete(0.99), True, id="complete"),
        pytest.param(partial(0.5), False, id="partial"),
        pytest.param(silent(), False, id="unusable"),
    ],
)
def test_a_trial_is_complete_if_every_answer_is(
    observation: Observation, *, expected: bool
) -> None:
    assert expected is trial_of(SETTINGS, Answers({"db-file": observation})).complete


def test_without_queries_the_effect_is_unknown() -> None:
    trial = trial_of(SETTINGS, None)
    assert (Effect.UNKNOWN, "not asked") == (
        trial.tiers["standard"].effect,
        trial.signals["db-file"].state,
    )


def with_run_cost() -> EvaluatorSettings:
    document = minimal()
    threshold = {"set": 0.9, "reset": 0.8, "target": 0.85, "run_cost": "4Mi"}
    document["tiers"]["standard"]["db-file"] = threshold
    return convert(document, EvaluatorSettings)


def test_room_is_what_fits_below_the_target() -> None:
    answers = Answers({"db-file": complete(0.60)}, quotas={"db-file": 8.0 * 1024**3})
    trial = trial_of(with_run_cost(), answers)
    assert 512 == round(trial.tiers["standard"].room or 0)


@pytest.mark.parametrize(
    ("observation", "quotas"),
    [
        pytest.param(silent(), {"db-file": 8.0 * 1024**3}, id="no value"),
        pytest.param(complete(0.6), {}, id="no quota"),
    ],
)
def test_room_is_unknown_without(observation: Observation, quotas: dict[str, float]) -> None:
    trial = trial_of(with_run_cost(), Answers({"db-file": observation}, quotas=quotas))
    assert trial.tiers["standard"].room is None
