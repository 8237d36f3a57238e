"""Alerts: what the rules API says about one, and the observation that follows.

The absence of a firing alert proves that nothing is wrong only if its rule exists and has been
evaluated. Prometheus forgets all alerts in a restart and starts each ``for`` again; a rule may be
removed, renamed, or fail. In all these cases nothing is proven, and the latch holds:

    a rule is firing                                    1, sets the latch
    a rule is pending                                   0, but partial: it never resets
    the server has just started                         0, but partial
    every rule is inactive, evaluated and healthy       0, resets the latch
    no rule, no evaluation, a failed or an old one      unusable

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#rules
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec import Struct

from shield_evaluator.core.observation import Observation, Sample, unusable
from shield_evaluator.prometheus.completeness import incompleteness
from shield_evaluator.prometheus.response import ApiAnswer, PrometheusError, malformed, warnings_of

# The shield's own alerts carry this label. A signal that reads one would never reset.
OWN_LABEL: Final = ("raised_by", "etcd-shield")

# After a start, every target is scraped and every rule evaluated within two intervals.
START_INTERVALS: Final = 3
# An evaluation is missing when three are overdue, and at least two minutes: with a Thanos or Mimir
# ruler the clocks of two machines are compared.
OVERDUE_INTERVALS: Final = 3
MIN_OVERDUE: Final = timedelta(minutes=2)
MAX_INTERVAL: Final = 366 * 86_400.0  # seconds; times beyond the calendar cannot be computed


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule that defines the alert.

    Attributes:
        state: ``firing``, ``pending`` or ``inactive``.
        health: ``ok``, ``err`` or ``unknown``.
        error: the message of a failed evaluation.
        evaluated_at: the last evaluation; None if there was none.
        interval: seconds from one evaluation to the next, at most `MAX_INTERVAL`.
    """

    state: str
    health: str
    error: str
    evaluated_at: datetime | None
    interval: float


@dataclass(frozen=True, slots=True)
class AlertRules:
    """All rules that define the alert.

    Attributes:
        alert: its name.
        rules: the rules; several may have one name.
        warnings: what the server said about the completeness of the answer.
    """

    alert: str
    rules: tuple[AlertRule, ...]
    warnings: tuple[str, ...] = ()


class _Rule(Struct):
    name: str = ""
    type: str = ""
    state: str = ""
    health: str = "unknown"
    lastError: str = ""  # noqa: N815 - Prometheus' name
    lastEvaluation: str = ""  # noqa: N815 - as above
    labels: dict[str, str] | None = None


class _Group(Struct):
    rules: list[_Rule] | None = None
    interval: float = 60.0


class _Groups(Struct):
    groups: list[_Group] | None = None


class _RulesResponse(ApiAnswer):
    data: _Groups | None = None


class _RuntimeInfo(Struct):
    startTime: str  # noqa: N815 - Prometheus' name


class _RuntimeResponse(ApiAnswer):
    data: _RuntimeInfo | None = None


_rules = msgspec.json.Decoder(_RulesResponse)
_runtime = msgspec.json.Decoder(_RuntimeResponse)


def parse_alert_rules(body: bytes, remarks: tuple[str, ...] = (), *, alert: str) -> AlertRules:
    """Decode the answer of ``/api/v1/rules`` and keep the rules of one alert.

    Args:
        body: of a response with status 200.
        remarks: of the response's headers on its completeness.
        alert: its name.

    Raises:
        PrometheusError: not a success, not JSON, or not rules.
    """
    try:
        response = _rules.decode(body)
        missing = incompleteness(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error
    if response.status != "success" or response.data is None:
        raise PrometheusError("malformed", f"status {response.status!r}: {response.error[:200]}")
    rules = tuple(
        AlertRule(
            state=rule.state,
            health=rule.health,
            error=rule.lastError,
            evaluated_at=_time(rule.lastEvaluation),
            interval=min(max(group.interval, 0.0), MAX_INTERVAL),
        )
        for group in response.data.groups or ()
        for rule in group.rules or ()
        if rule.name == alert
        and rule.type != "recording"
        and (rule.labels or {}).get(OWN_LABEL[0]) != OWN_LABEL[1]
    )
    return AlertRules(alert, rules, (*warnings_of(response), *missing, *remarks))


def parse_start_time(body: bytes) -> datetime:
    """Decode the answer of ``/api/v1/status/runtimeinfo``.

    Raises:
        PrometheusError: it does not say when the server started.
    """
    try:
        response = _runtime.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from error
    started = None if response.data is None else _time(response.data.startTime)
    if started is None:
        raise PrometheusError("malformed", "the server does not say when it started")
    return started


def observe_alert(answer: AlertRules, *, now: datetime, started_at: datetime | None) -> Observation:
    """Return the observation of an alert.

    Args:
        answer: the rules that define it.
        now: the wall clock's time.
        started_at: when the server started; None if it does not say.
    """
    name = answer.alert
    if any(rule.state == "firing" for rule in answer.rules):
        return _observation(name, 1.0)
    if not answer.rules:
        return unusable(f"no rule defines the alert {name}")
    for rule in answer.rules:
        problem = _evaluation_problem(rule, now)
        if problem is not None:
            return unusable(f"the rule of the alert {name} {problem}")
    settled = timedelta(seconds=START_INTERVALS * max(rule.interval for rule in answer.rules))
    doubt = None
    if any(rule.state != "inactive" for rule in answer.rules):
        doubt = f"the alert {name} is pending"
    elif answer.warnings:
        doubt = f"Prometheus warned: {answer.warnings[0]}"
    elif started_at is not None and now - started_at < settled:
        doubt = "Prometheus has just started and may not know the alert yet"
    return _observation(name, 0.0, doubt)


def _observation(alert: str, value: float, problem: str | None = None) -> Observation:
    return Observation(
        value=value,
        member=alert,
        member_count=1,
        partial=problem is not None,
        problem=problem,
        samples=(Sample(alert, value),),
    )


def _evaluation_problem(rule: AlertRule, now: datetime) -> str | None:
    if rule.health == "unknown" or rule.evaluated_at is None:
        return "has not been evaluated yet"
    if rule.health != "ok":
        return f"fails: {rule.error[:200]}" if rule.error else "fails"
    overdue = max(MIN_OVERDUE, timedelta(seconds=OVERDUE_INTERVALS * rule.interval))
    age = now - rule.evaluated_at
    return f"was evaluated {age.total_seconds():.0f}s ago" if age > overdue else None


def _time(text: str) -> datetime | None:
    """Return an RFC 3339 time; None for Go's zero time or anything else."""
    try:
        at = msgspec.convert(text, datetime)
    except msgspec.ValidationError:
        return None
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return aware if aware.year > 1 else None
