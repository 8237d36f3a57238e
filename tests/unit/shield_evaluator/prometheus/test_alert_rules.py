"""What is known of an alert, and what its absence proves (T3, S6)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shield_evaluator.core.observation import Comparison, Observation, compare
from shield_evaluator.core.plan import Threshold
from shield_evaluator.prometheus.alert_rules import observe_alert, parse_alert_rules
from shield_evaluator.prometheus.response import PrometheusError

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
THRESHOLD = Threshold(set=1.0, reset=0.5)
ZERO_TIME = "0001-01-01T00:00:00Z"


def rule(**fields: object) -> dict[str, Any]:
    return {
        "name": "EtcdFull",
        "type": "alerting",
        "state": "inactive",
        "health": "ok",
        "lastEvaluation": "2026-11-21T09:59:55.123456789Z",
        "labels": {},
        **fields,
    }


def body(*rules: dict[str, Any], interval: float = 15, **beside: object) -> bytes:
    groups = [{"name": "g", "interval": interval, "rules": list(rules)}]
    return json.dumps({"status": "success", "data": {"groups": groups}, **beside}).encode()


def observed(answer: bytes, *, started: float | None = 3600) -> Observation:
    started_at = None if started is None else NOW - timedelta(seconds=started)
    return observe_alert(
        parse_alert_rules(answer, alert="EtcdFull"), now=NOW, started_at=started_at
    )


@pytest.mark.parametrize("interval", [1e10, 1e300, -1e300])
def test_an_interval_beyond_the_calendar_is_read_as_a_long_one(interval: float) -> None:
    assert observed(body(rule(), interval=interval)).usable


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(body(rule(state="firing")), id="firing"),
        pytest.param(body(rule(), rule(state="firing")), id="one of two is firing"),
        pytest.param(body(rule(state="firing", health="err")), id="firing, and now failing"),
    ],
)
def test_t3_a_firing_alert_sets(answer: bytes) -> None:
    assert Comparison.ABOVE is compare(observed(answer), THRESHOLD)


@pytest.mark.shows("trial S6")
@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(body(rule(state="pending")), "EtcdFull is pending", id="pending"),
        pytest.param(body(rule(), rule(state="pending")), "is pending", id="one of two is pending"),
        pytest.param(body(), "no rule defines the alert EtcdFull", id="no rule"),
        pytest.param(body(rule(name="EtcdFul")), "no rule defines", id="another name"),
        pytest.param(
            body(rule(labels={"raised_by": "etcd-shield"})), "no rule defines", id="our own alert"
        ),
        pytest.param(
            body(rule(health="unknown", lastEvaluation=ZERO_TIME)),
            "has not been evaluated yet",
            id="not evaluated",
        ),
        pytest.param(body(rule(lastEvaluation="")), "has not been evaluated", id="no time"),
        pytest.param(body(rule(health="err", lastError="no data")), "fails: no data", id="failing"),
        pytest.param(body(rule(), rule(health="err")), "fails", id="one of two is failing"),
        pytest.param(
            body(rule(lastEvaluation="2026-11-21T09:00:00Z")), "3600s ago", id="evaluated long ago"
        ),
        pytest.param(body(rule(), warnings=["a ruler is away"]), "a ruler is away", id="a warning"),
        pytest.param(body(rule(), isPartial=True), "isPartial", id="a partial answer"),
        pytest.param(body(rule(type="recording")), "no rule defines", id="a recording rule"),
    ],
)
def test_t3_absence_that_proves_nothing_holds(answer: bytes, problem: str) -> None:
    observation = observed(answer)
    assert Comparison.UNPROVEN is compare(observation, THRESHOLD)
    assert problem in (observation.problem or "")


@pytest.mark.shows("trial S6")
@pytest.mark.parametrize(
    ("started", "comparison"),
    [
        pytest.param(44.9, Comparison.UNPROVEN, id="within three evaluations"),
        pytest.param(45.0, Comparison.BELOW, id="after them"),
        pytest.param(None, Comparison.BELOW, id="unknown"),
    ],
)
def test_t3_an_inactive_alert_resets_only_some_time_after_a_start(
    started: float | None, comparison: Comparison
) -> None:
    assert comparison is compare(observed(body(rule()), started=started), THRESHOLD)


def test_t3_a_pending_alert_is_usable_and_never_blind() -> None:
    assert observed(body(rule(state="pending"))).usable


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"<html>",
        b"{}",
        b'{"status":"error","error":"no"}',
        b'{"status":"success"}',
        b"[1]",
        body()[:-1] + b',"isPartial":"\xff"}',
    ],
)
def test_an_answer_without_rules_is_malformed(answer: bytes) -> None:
    with pytest.raises(PrometheusError) as caught:
        parse_alert_rules(answer, alert="EtcdFull")
    assert "malformed" == caught.value.kind
