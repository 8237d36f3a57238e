"""The chart's rule file: valid, complete, and each alert proven to fire and to stay silent."""

import functools
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from shield_evaluator.signal_settings import SignalSettings
from tests.rig.server import program
from tests.unit.observability.exposure import ALERTS, rules, unknown
from tests.unit.observability.promql import metric_names

CASES = sorted(Path(__file__).parent.glob("alerts*_test.yaml"))
NAMES = [
    "EtcdShieldDenyAdmission",
    "EtcdShieldDenyingTooLong",
    "EtcdShieldSignalBlind",
    "EtcdShieldDecisionStale",
    "EtcdShieldEvaluatorDown",
    "EtcdShieldAdmitterDown",
    "EtcdShieldRedisDown",
    "EtcdShieldControllerDown",
    "EtcdShieldRunsStuck",
    "EtcdShieldHeldTooLong",
    "EtcdShieldDecisionNotMirrored",
    "EtcdShieldAdmittersDisagree",
    "EtcdShieldFlapping",
    "EtcdShieldWebhookErrors",
    "EtcdShieldWebhookSlow",
    "EtcdShieldCertificateExpiring",
    "EtcdShieldOverrideActive",
    "EtcdShieldTimeToFullShort",
    "EtcdShieldRunCostTooLow",
    "EtcdShieldDefragWouldHelp",
]
RUNBOOK = "https://etcd-shield.example.com/runbook.md"
by_alert = pytest.mark.parametrize(
    "rule", [rule for rule in rules() if "alert" in rule], ids=lambda rule: rule["alert"]
)


def promtool(*arguments: str) -> None:
    finished = subprocess.run(
        [program("promtool"), *arguments], capture_output=True, text=True, check=False
    )
    assert 0 == finished.returncode, finished.stdout + finished.stderr


@functools.cache
def questions() -> list[dict[str, Any]]:
    cases = [case for file in CASES for case in yaml.safe_load(file.read_text())["tests"]]
    return [question for case in cases for question in case["promql_expr_test"]]


def facts(alert: str) -> list[bool]:
    """Return, for each question about an alert, whether it is expected to fire."""
    return [
        bool(question["exp_samples"])
        for question in questions()
        if f'ALERTS{{alertname="{alert}"' in question["expr"]
    ]


def test_the_rules_are_valid_as_a_plain_prometheus_rule_file() -> None:
    promtool("check", "rules", str(ALERTS))


@pytest.mark.parametrize("cases", CASES, ids=lambda path: path.stem)
def test_every_alert_fires_and_stays_silent_as_in(cases: Path) -> None:
    # One at a time: given two files, promtool 2.42 takes the evaluation interval of one for both.
    promtool("test", "rules", str(cases))


def test_the_alerts_are_those_that_the_design_names() -> None:
    assert sorted(NAMES) == sorted(rule["alert"] for rule in rules() if "alert" in rule)


@pytest.mark.parametrize("alert", NAMES)
def test_there_is_a_case_in_which_it_fires(alert: str) -> None:
    assert True in facts(alert)


@pytest.mark.parametrize("alert", NAMES)
def test_there_is_a_case_in_which_it_stays_silent(alert: str) -> None:
    assert False in facts(alert)


@by_alert
def test_summary_and_description_are_sentences(rule: dict[str, Any]) -> None:
    texts = [rule["annotations"]["summary"], rule["annotations"]["description"]]
    assert ["."] * 2 == [text[-1] for text in texts]


@by_alert
def test_the_runbook_url_can_be_replaced_and_points_to_its_section(rule: dict[str, Any]) -> None:
    assert f"{RUNBOOK}#{rule['alert'].lower()}" == rule["annotations"]["runbook_url"]


@by_alert
def test_the_severity_is_one_that_the_chart_can_replace(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}


@by_alert
def test_an_alert_says_that_the_shield_raised_it(rule: dict[str, Any]) -> None:
    assert "etcd-shield" == rule["labels"]["raised_by"]


def test_the_texts_that_the_chart_replaces_stand_nowhere_else() -> None:
    text = re.sub("(?m)^#.*", "", ALERTS.read_text())
    alerts = text.count("- alert: ")
    assert (alerts, alerts) == (
        text.count(f"runbook_url: {RUNBOOK}#"),
        len(re.findall(r"(?m)^ +severity: (critical|warning|info)$", text)),
    )


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_every_metric_that_a_rule_asks_for_exists(rule: dict[str, Any]) -> None:
    assert set() == unknown(metric_names(rule["expr"]))


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        pytest.param('severity="critical"', 1, id="somebody else's is read"),
        pytest.param(
            'severity="critical",raised_by="etcd-shield"', 0, id="the shield's own is not"
        ),
    ],
)
def test_a_signal_that_watches_an_alert_of_that_name_does_not_hold_itself_closed(
    tmp_path: Path, labels: str, value: int
) -> None:
    signal = SignalSettings(name="guard", alert="EtcdShieldDenyAdmission")
    series = f'ALERTS{{alertname="EtcdShieldDenyAdmission",alertstate="firing",{labels}}}'
    asked = {"expr": signal.expression, "eval_time": "1m"}
    answer = {"exp_samples": [{"labels": "{}", "value": value}]}
    case = {
        "interval": "15s",
        "input_series": [{"series": series, "values": "1x10"}],
        "promql_expr_test": [asked | answer],
    }
    file = tmp_path / "case.yaml"
    file.write_text(yaml.safe_dump({"tests": [case]}))
    promtool("test", "rules", str(file))
