"""The decision document: sentences, and the precedence of overrides."""

from datetime import timedelta, timezone

import pytest
from msgspec.structs import replace

from shield_common.decision import (
    Decision,
    Override,
    TierDecision,
    decode_decision,
    encode_decision,
)
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.latch import advance
from shield_evaluator.core.observation import Observation
from shield_evaluator.core.plan import ColdStart, OnBlind, Plan, Threshold, Unit
from shield_evaluator.core.sentences import MAX_WARNING, describe_value
from shield_evaluator.core.state import ShieldState
from tests.unit.shield_evaluator.plans import (
    EPOCH,
    SIGNAL,
    TIER,
    USUAL,
    at,
    complete,
    one_latch,
    partial,
    signal_plan,
    silent,
)

ENVELOPE = Envelope(
    cluster="rh01",
    epoch=7,
    sequence=4211,
    ttl_ms=300_000,
    interval_ms=5_000,
    status_url="https://status.example",
)


def decided(plan: Plan, *story: Observation, override: Override | None = None) -> Decision:
    """Return the decision after observations at 0 s, 5 s and so on."""
    state, now = ShieldState(), at(0)
    for number, observation in enumerate(story):
        now = at(5 * number)
        state = advance(plan, state, {SIGNAL: observation}, now)
    seen = {SIGNAL: story[-1]}
    return decide(plan, state, seen, now=now, envelope=ENVELOPE, override=override)


def tier(plan: Plan, *story: Observation, override: Override | None = None) -> TierDecision:
    return decided(plan, *story, override=override).tiers[TIER]


def overriding(
    *, allow: bool, reason: str = "upgrade", tiers: tuple[str, ...] | None = None
) -> Override:
    return Override(
        allow=allow,
        tiers=tiers,
        reason=reason,
        by="ops",
        since=EPOCH,
        until=EPOCH + timedelta(hours=1),
    )


def test_the_envelope_is_copied_into_the_document() -> None:
    made = decided(one_latch(), complete(0.5))
    assert ("rh01", (7, 4211), 300_000, 5_000, "https://status.example") == (
        made.cluster,
        made.order,
        made.ttl_ms,
        made.interval_ms,
        made.status_url,
    )


def test_an_admitting_tier_shows_value_and_thresholds() -> None:
    assert TierDecision(allow=True, since=EPOCH, value=0.5, set=0.9, reset=0.8) == tier(
        one_latch(), complete(0.5)
    )


def test_a_denying_tier_states_reason_and_thresholds() -> None:
    assert TierDecision(
        allow=False,
        since=EPOCH,
        reason="etcd is at 93.4% of its quota",
        signal=SIGNAL,
        value=0.934,
        set=0.9,
        reset=0.8,
    ) == tier(one_latch(), complete(0.934))


def test_a_value_at_or_above_warn_gives_a_warning() -> None:
    assert (
        "etcd is at 86.0% of its quota; standard runs are denied from 90%"
        == tier(one_latch(), complete(0.86)).warning
    )


def test_a_denying_tier_gives_no_warning() -> None:
    assert None is tier(one_latch(), complete(0.95)).warning


@pytest.mark.parametrize(
    ("story", "reason"),
    [
        pytest.param(
            [complete(0.95), silent()],
            "db-file reached its set threshold and gives no value now",
            id="silent since",
        ),
        pytest.param(
            [complete(0.95), complete(0.85)],
            "etcd is at 85.0% of its quota",
            id="inside the band",
        ),
        pytest.param(
            [complete(0.95), partial(0.5)],
            "etcd is at 50.0% of its quota, but not every member answers",
            id="low, as far as one can see",
        ),
        pytest.param(
            [complete(0.95), complete(0.5)],
            "etcd is at 50.0% of its quota, but not for long enough yet",
            id="low, but not for reset_for",
        ),
    ],
)
def test_reason_of_a_held_denial(story: list[Observation], reason: str) -> None:
    threshold = Threshold(set=0.9, reset=0.8, reset_for_ms=60_000)
    assert reason == tier(one_latch(threshold), *story).reason


def test_reason_of_a_denial_by_blindness() -> None:
    plan = one_latch(on_blind=OnBlind.DENY)
    story = [complete(0.5), *([silent()] * 25)]
    assert "etcd's usage is unknown: signal db-file is blind" == tier(plan, *story).reason


def test_reason_of_a_denial_by_cold_start() -> None:
    said = tier(one_latch(cold_start=ColdStart.SET), silent())
    assert "etcd's usage is not known yet (cold start): waiting for signal db-file" == said.reason


@pytest.mark.parametrize(
    ("observation", "state"),
    [
        pytest.param(complete(0.5), "ok", id="ok"),
        pytest.param(partial(0.5), "partial", id="partial"),
        pytest.param(silent(), "unusable", id="unusable"),
    ],
)
def test_the_decision_has_the_state_of_a_signal(observation: Observation, state: str) -> None:
    assert state == decided(one_latch(), complete(0.5), observation).signals[SIGNAL].state


def test_a_signal_without_samples_becomes_blind() -> None:
    assert "blind" == decided(one_latch(), *([silent()] * 25)).signals[SIGNAL].state


class TestAnOverride:
    def test_the_end_of_an_override_is_shown_in_utc(self) -> None:
        elsewhere = overriding(allow=False).until.astimezone(timezone(timedelta(hours=2)))
        override = replace(overriding(allow=False), until=elsewhere)
        said = tier(one_latch(), complete(0.5), override=override)
        assert "denied by an operator until 11:00:00Z: upgrade" == said.reason

    def test_an_override_denies_while_the_latches_admit(self) -> None:
        said = tier(one_latch(), complete(0.5), override=overriding(allow=False))
        assert (False, "denied by an operator until 11:00:00Z: upgrade", EPOCH) == (
            said.allow,
            said.reason,
            said.since,
        )

    def test_an_override_admits_with_a_warning_while_the_latches_deny(self) -> None:
        said = tier(one_latch(), complete(0.95), override=overriding(allow=True))
        assert said.allow
        assert (
            "etcd-shield would deny this, but is overridden until 11:00:00Z: upgrade"
            == said.warning
        )

    def test_an_override_that_allows_gives_no_warning_while_the_latches_admit(self) -> None:
        assert None is tier(one_latch(), complete(0.5), override=overriding(allow=True)).warning

    def test_an_override_of_another_tier_has_no_effect(self) -> None:
        said = tier(
            one_latch(), complete(0.5), override=overriding(allow=False, tiers=("critical",))
        )
        assert said.allow

    def test_an_override_sets_the_plain_allow_bit(self) -> None:
        assert not decided(one_latch(), complete(0.5), override=overriding(allow=False)).allow

    def test_an_override_is_part_of_the_document(self) -> None:
        override = overriding(allow=False)
        assert override == decided(one_latch(), complete(0.5), override=override).override

    def test_an_override_with_a_long_reason_can_be_decoded(self) -> None:
        made = decided(
            one_latch(), complete(0.95), override=overriding(allow=False, reason="x" * 1024)
        )
        assert made == decode_decision(encode_decision(made))

    def test_an_override_with_a_long_reason_gives_a_short_warning(self) -> None:
        said = tier(one_latch(), complete(0.95), override=overriding(allow=True, reason="x" * 500))
        assert MAX_WARNING == len(said.warning or "")


def test_fifty_undetermined_signals_can_be_decoded() -> None:
    names = [f"{'s' * 60}{number}" for number in range(50)]
    plan = Plan(
        signals={name: signal_plan() for name in names},
        tiers={TIER: dict.fromkeys(names, USUAL)},
        default_tier=TIER,
        cold_start=ColdStart.SET,
    )
    state = advance(plan, ShieldState(), {}, at(0))
    made = decide(plan, state, {}, now=at(0), envelope=ENVELOPE)
    assert made == decode_decision(encode_decision(made))


def test_an_admitting_tier_shows_its_nearest_signal() -> None:
    plan = Plan(
        signals={"db-file": signal_plan(), "db-in-use": signal_plan()},
        tiers={TIER: {"db-file": USUAL, "db-in-use": Threshold(set=0.5, reset=0.4)}},
        default_tier=TIER,
    )
    seen = {"db-file": complete(0.6), "db-in-use": complete(0.45)}
    state = advance(plan, ShieldState(), seen, at(0))
    made = decide(plan, state, seen, now=at(0), envelope=ENVELOPE)
    assert (0.45, 0.5) == (made.tiers[TIER].value, made.tiers[TIER].set)


@pytest.mark.parametrize(
    ("name", "value", "unit", "sentence"),
    [
        pytest.param("db-file", 0.934, Unit.RATIO, "etcd is at 93.4% of its quota", id="db-file"),
        pytest.param(
            "db-in-use",
            0.5,
            Unit.RATIO,
            "etcd's live data is at 50.0% of its quota",
            id="db-in-use",
        ),
        pytest.param("lag", 0.25, Unit.RATIO, "signal lag is at 25.0%", id="another ratio"),
        pytest.param("keys", 1234567, Unit.NUMBER, "signal keys is at 1.23457e+06", id="a number"),
        pytest.param("EtcdFull", 1, Unit.ALERT, "alert EtcdFull is firing", id="alert firing"),
        pytest.param("EtcdFull", 0, Unit.ALERT, "alert EtcdFull is not firing", id="alert silent"),
    ],
)
def test_sentence_of_a_value(name: str, value: float, unit: Unit, sentence: str) -> None:
    assert sentence == describe_value(name, value, unit)
