"""What must hold for any answer of Prometheus, or of what answers in its place."""

from contextlib import suppress
from datetime import UTC, datetime

from shield_evaluator.core.observation import Observation, observe
from shield_evaluator.prometheus.alert_rules import (
    AlertRules,
    observe_alert,
    parse_alert_rules,
    parse_start_time,
)
from shield_evaluator.prometheus.range_query import parse_range
from shield_evaluator.prometheus.response import PrometheusError, parse, parse_error

_NOW = datetime(2026, 11, 26, tzinfo=UTC)
_NO_RULES = AlertRules("EtcdFull", ())


def prometheus_answer(data: bytes) -> None:
    """An answer is an observation or one kind of error, whichever question it answers."""
    with suppress(PrometheusError):
        answer = parse(data)
        _is_sound(observe(answer.samples, expected_members=3, warnings=answer.warnings))
    with suppress(PrometheusError):
        parse(data, member_label="pod")
    with suppress(PrometheusError):
        parse_range(data)
    with suppress(PrometheusError):
        rules = parse_alert_rules(data, alert="EtcdFull")
        _is_sound(observe_alert(rules, now=_NOW, started_at=None))
        _is_sound(observe_alert(rules, now=_NOW, started_at=_NOW))
    with suppress(PrometheusError):
        observe_alert(_NO_RULES, now=_NOW, started_at=parse_start_time(data))
    parse_error(data)


def _is_sound(observation: Observation) -> None:
    """A usable observation has a value that a threshold can be compared with."""
    assert not observation.usable or (observation.value is not None and observation.value >= 0)
