"""What `explain` says about a request."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from shield_admitter.cli import main
from shield_admitter.cli.explanation import Explanation, explain_request, text_lines
from shield_admitter.core.review import UserInfo
from shield_admitter.settings import AdmitterSettings
from shield_common.config.loader import SettingsError, parse
from shield_common.decision import Override, TierHold
from shield_common.decision_age import CachedDecision
from tests.unit.shield_admitter.builders import ADMITTING, DENYING, NOW, cached, decision, request

CONFIG = """
cluster: rh01
tls: {cert_file: c, key_file: k}
redis: {url: "redis://r/0"}
tiers:
  - {tier: background, namespaces: [mintmaker]}
  - {tier: critical, namespaces: ["*-releng"], groups: [staff]}
tier_modes: {background: audit}
retry_after: [{seconds: 30, users: ["bot-*"]}, {seconds: 5, users: [ada]}]
exemptions: [{users: [fixer], reason: repair, expires: "2027-01-01T00:00:00Z"}]
"""
SETTINGS = parse(CONFIG, AdmitterSettings, source="c", environment={})


FINAL = parse(CONFIG + "denial: {code: 403}", AdmitterSettings, source="c", environment={})


def explained(
    now: CachedDecision | None = None, problem: str | None = None, **changes: Any
) -> Explanation:
    return explain_request(
        request(**changes), now, SETTINGS, now_ms=0, utc_now=NOW, problem=problem
    )


def words(explanation: Explanation) -> str:
    return "\n".join(text_lines(explanation, SETTINGS))


def test_the_rule_is_named_by_its_place_and_content() -> None:
    rule = explained(cached(), namespace="x-releng").tier_rule
    assert rule is not None
    assert ("tiers[1]", {"tier": "critical", "namespaces": ["*-releng"], "groups": ["staff"]}) == (
        rule.path,
        rule.content,
    )


def test_a_denial_is_explained_text_lines() -> None:
    assert (
        "Denied: the decision denies its tier.\n"
        "Tier: standard (no rule of tiers matches, so default_tier).\n"
        "Mode: enforce.\n"
        "Decision: fresh, 3 s old.\n"
        'Client tries again: retry_after[1]: {"users":["ada"],"seconds":5}.\n'
        "Message: PipelineRun admission currently not allowed: etcd is at 93.4% of its quota"
        " (denied since 09:58:10Z, until below 80%). Tier: standard."
    ) == words(explained(cached(age_ms=3_000))).replace(
        '{"seconds":5,"users":["ada"]}', '{"users":["ada"],"seconds":5}'
    )


@pytest.mark.parametrize(
    ("explanation", "line"),
    [
        (explained(None, "Redis does not answer: x."), "Decision: Redis does not answer: x."),
        (explained(None), "Admitted: there is no current decision, and on_unknown is allow."),
        (explained(cached(), operation="DELETE"), "is not judged, or it starts no run."),
        (
            explained(cached(tiers={}), namespace="mintmaker"),
            "Admitted: the decision denies its tier, but the mode is audit.",
        ),
        (
            explained(CachedDecision(decision(allow=True, tiers={}), 0)),
            "Admitted: the decision admits its",
        ),
        (explained(cached(), namespace="mintmaker"), "Mode: audit."),
    ],
    ids=["no Redis", "unknown", "not judged", "audit", "admitted", "mode of the tier"],
)
def test_every_way_to_a_verdict_has_its_words(explanation: Explanation, line: str) -> None:
    assert line in words(explanation)


def test_a_client_does_not_try_again_after_a_403() -> None:
    explanation = explain_request(request(), cached(), FINAL, now_ms=0, utc_now=NOW)
    assert explanation.retry is None
    assert "Client tries again: no, denial.code is 403." in text_lines(explanation, FINAL)


def test_an_exemption_is_named_with_its_reason() -> None:

    explanation = explained(cached(), userInfo=UserInfo("fixer"))
    assert explanation.exemption is not None
    assert "repair" == explanation.exemption.content["reason"]
    assert "Admitted: it is exempt." in words(explanation)


def test_an_expired_exemption_is_none() -> None:
    explanation = explain_request(
        request(), cached(), SETTINGS, now_ms=0, utc_now=NOW + timedelta(days=99)
    )
    assert explanation.exemption is None


HOLDING = parse(
    CONFIG + "hold: {enabled: true, controllers: [controller]}",
    AdmitterSettings,
    source="c",
    environment={},
)


def held(*, allow: bool = False, **hold: Any) -> str:
    entry = ADMITTING if allow else DENYING
    slots = TierHold(**({"slots": 9, "share": 3, "held": 42, "wait_seconds": 370} | hold))
    now = cached(tiers={"standard": replace(entry, hold=slots)})
    explanation = explain_request(request(), now, HOLDING, now_ms=0, utc_now=NOW)
    return "\n".join(text_lines(explanation, HOLDING))


def test_a_run_that_would_be_held_is_explained() -> None:
    text = held()
    assert text.startswith("Held until etcd has room: the decision denies its tier.\n")
    warning = "held, number 43, starts when etcd has room, in about 6 minutes (etcd-shield)"
    assert text.endswith(f"Warning: {warning}")


def test_a_run_held_by_an_override_waits_for_its_end() -> None:
    denied = Override(allow=False, reason="x", by="me", since=NOW, until=NOW)
    slots = TierHold(slots=9, share=3, held=42)
    now = cached(tiers={"standard": replace(DENYING, hold=slots)}, override=denied)
    explanation = explain_request(request(), now, HOLDING, now_ms=0, utc_now=NOW)
    first = text_lines(explanation, HOLDING)[0]
    assert first.startswith("Held until an operator's override has ended and etcd has room: ")


def test_a_run_that_waits_for_others_is_explained() -> None:
    assert "Held until etcd has room: other runs of its tier are held" in held(allow=True)


def test_a_run_without_a_slot_is_denied() -> None:
    assert held(share=0).startswith("Denied: the decision denies its tier.")


def test_holding_without_a_controller_is_refused() -> None:
    with pytest.raises(SettingsError, match="no held run could start"):
        parse(CONFIG + "hold: {enabled: true}", AdmitterSettings, source="c", environment={})


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "must be a mapping, not nothing"),
        ("metadata: {}", "the key `kind` is missing"),
        ("{kind: PipelineRun, metadata: 5}", "metadata: must be a mapping, not a whole number"),
    ],
    ids=["empty", "no kind", "metadata"],
)
def test_a_file_that_is_no_object_is_refused_in_plain_words(
    tmp_path: Path, content: str, problem: str
) -> None:
    config, subject = tmp_path / "admitter.yaml", tmp_path / "run.yaml"
    config.write_text(CONFIG)
    subject.write_text(content)
    result = CliRunner().invoke(main, ["explain", "--config", str(config), "-f", str(subject)])
    said = f"shield-admitter: {subject}: not a Kubernetes object: {problem}\n"
    assert (2, said) == (result.exit_code, result.stderr)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "kind: a\n---\nkind: b",
            "line 2, column 1: a second document begins here; a file has one",
        ),
        ("kind: hunter2: x", "line 1, column 14: mapping values are not allowed here"),
        ("kind: a\x00", "it has bytes that are no text"),
    ],
    ids=["two documents", "two colons", "binary"],
)
def test_a_file_that_is_not_one_yaml_document_is_refused_without_quoting_it(
    tmp_path: Path, content: str, problem: str
) -> None:
    config, subject = tmp_path / "admitter.yaml", tmp_path / "run.yaml"
    config.write_text(CONFIG)
    subject.write_text(content)
    result = CliRunner().invoke(main, ["explain", "--config", str(config), "-f", str(subject)])
    said = f"shield-admitter: {subject}: not one YAML document: {problem}\n"
    assert (2, said) == (result.exit_code, result.stderr)
