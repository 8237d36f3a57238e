"""The answer's words and bytes."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shield_admitter.core.pacing import Pacing
from shield_admitter.core.response import (
    MAX_WARNING,
    DenialFormat,
    admission_response,
    encode,
    encode_admission,
)
from shield_admitter.core.review import Kind
from shield_admitter.core.rules import Exemption
from shield_admitter.core.slots import Slots
from shield_admitter.core.verdict import AdmitterState, Mode, Policy, Verdict, judge
from shield_common.decision import TierDecision
from shield_common.decision_age import CachedDecision
from tests.unit.shield_admitter.builders import (
    ADMITTING,
    DENYING,
    NOW,
    SINCE,
    cached,
    matcher,
    policy,
    request,
)


def verdict(now: CachedDecision | None, rules: Policy | None = None) -> Verdict:
    state = AdmitterState(now, Pacing(), Slots(), 0, NOW.timestamp())
    return judge(request(), rules or policy(), state)


def answer(
    what: Verdict,
    *,
    denial_format: DenialFormat | None = None,
    uid: str = "u-1",
    kind: str = "PipelineRun",
    retry_after: int | None = None,
) -> dict[str, Any]:
    response_struct = admission_response(
        request(uid=uid, kind=Kind(kind=kind)),
        what,
        denial_format or DenialFormat(),
        retry_after=retry_after,
    )
    document: dict[str, Any] = json.loads(encode(response_struct))
    assert ("admission.k8s.io/v1", "AdmissionReview") == (document["apiVersion"], document["kind"])
    response: dict[str, Any] = document["response"]
    return response


def message(entry: TierDecision | None = DENYING, **changes: Any) -> str:
    tiers = {} if entry is None else {"standard": entry}
    text: str = answer(verdict(cached(tiers=tiers, **changes)))["status"]["message"]
    return text


def test_a_denial_says_why_since_when_until_when_for_whom_and_where_to_read_on() -> None:
    expected = (
        "PipelineRun admission currently not allowed: etcd is at 93.4% of its quota"
        " (denied since 09:58:10Z, until below 80%). Tier: standard. See https://shield.example.com"
    )
    assert expected == message(status_url="https://shield.example.com")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (DENYING, "etcd is at 93.4% of its quota (denied since 09:58:10Z, until below 80%)."),
        (
            msgspec.structs.replace(DENYING, reset=0.825),
            "etcd is at 93.4% of its quota (denied since 09:58:10Z, until below 82.5%).",
        ),
        (
            TierDecision(allow=False, since=SINCE, reason="queue is 12", reset=8.0, unit="number"),
            "queue is 12 (denied since 09:58:10Z, until below 8).",
        ),
        (
            TierDecision(
                allow=False, since=SINCE, reason="EtcdFull is firing", signal="a", unit="alert"
            ),
            "EtcdFull is firing (denied since 09:58:10Z, until it stops).",
        ),
        (
            TierDecision(allow=False, since=SINCE, reason="override by ada: upgrade"),
            "override by ada: upgrade (denied since 09:58:10Z).",
        ),
        (
            TierDecision(allow=False, since=SINCE),
            "etcd is close to its quota (denied since 09:58:10Z).",
        ),
        (None, "etcd-shield denies every tier that it has no thresholds for."),
    ],
    ids=["ratio", "fraction", "number", "alert", "override", "no reason", "unknown tier"],
)
def test_a_denial_says_what_the_decision_says(entry: TierDecision | None, words: str) -> None:
    expected = f"PipelineRun admission currently not allowed: {words} Tier: standard."
    assert expected == message(entry)


def test_a_denial_without_a_decision_says_so() -> None:
    response = answer(verdict(None, policy(allow_unknown=False)))
    expected = (
        "PipelineRun admission currently not allowed: etcd-shield has no current decision."
        " Tier: standard."
    )
    assert expected == response["status"]["message"]


@pytest.mark.parametrize(
    ("since", "shown"),
    [
        (datetime(2026, 11, 21, 11, 58, 10, tzinfo=timezone(timedelta(hours=2))), "09:58:10Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "00:00:00+1400"),
        (datetime(9999, 12, 31, 23, tzinfo=UTC), "23:00:00Z"),
    ],
    ids=["another zone", "before all time", "after all time"],
)
def test_times_are_shown_in_utc_where_they_can_be(since: datetime, shown: str) -> None:
    assert f"denied since {shown}" in message(msgspec.structs.replace(DENYING, since=since))


@pytest.mark.parametrize(("code", "reason"), [(429, "TooManyRequests"), (403, "Forbidden")])
def test_a_denial_has_the_configured_code(code: int, reason: str) -> None:
    status = answer(verdict(cached()), denial_format=DenialFormat(code=code))["status"]
    assert ("Failure", code, reason) == (status["status"], status["code"], status["reason"])


def test_the_configured_url_wins_over_the_decision_s() -> None:
    now = cached(status_url="https://theirs.example.com")
    status = answer(verdict(now), denial_format=DenialFormat(url="https://ours.example.com"))[
        "status"
    ]
    assert status["message"].endswith(" See https://ours.example.com")


def test_the_kind_is_the_request_s() -> None:
    text: str = answer(verdict(cached()), kind="TaskRun")["status"]["message"]
    assert text.startswith("TaskRun admission currently not allowed: ")


def test_an_endless_kind_is_cut() -> None:
    assert 400 > len(answer(verdict(cached()), kind="k" * 100_000)["status"]["message"])


def test_control_characters_do_not_reach_the_message() -> None:
    entry = msgspec.structs.replace(DENYING, reason="a\nb\x1b[31m")
    assert "a\\nb\\x1b[31m" in message(entry)


def test_retry_after_stands_where_the_api_server_looks() -> None:
    status = answer(verdict(cached()), retry_after=17)["status"]
    assert {"retryAfterSeconds": 17} == status["details"]
    assert 429 == status["code"]


def test_without_retry_after_there_are_no_details() -> None:
    assert "details" not in answer(verdict(cached()))["status"]


def test_an_admission_has_no_status() -> None:
    response = answer(verdict(cached(tiers={"standard": ADMITTING})))
    assert response["allowed"] is True
    assert "status" not in response


def test_an_admission_ignores_retry_after() -> None:
    response = answer(verdict(cached(tiers={"standard": ADMITTING})), retry_after=17)
    assert {"uid", "allowed", "auditAnnotations"} == set(response)


def test_in_the_warn_band_the_decision_s_warning_is_passed_on() -> None:
    entry = msgspec.structs.replace(ADMITTING, warning="etcd is at 85% of its quota")
    response = answer(verdict(cached(tiers={"standard": entry})))
    assert ["etcd is at 85% of its quota"] == response["warnings"]


def test_mode_warn_says_what_would_have_been_denied() -> None:
    response = answer(verdict(cached(), policy(mode=Mode.WARN)))
    expected = (
        "etcd-shield would deny this: etcd is at 93.4% of its quota"
        " (denied since 09:58:10Z, until below 80%)"
    )
    assert ([expected], True) == (response["warnings"], response["allowed"])


@pytest.mark.parametrize("mode", [Mode.AUDIT, Mode.OFF, Mode.ENFORCE])
def test_other_modes_warn_of_nothing(mode: Mode) -> None:
    assert "warnings" not in answer(verdict(cached(), policy(mode=mode)))


@given(st.text(min_size=1, max_size=400))
def test_a_warning_is_one_short_printable_line(text: str) -> None:
    entry = msgspec.structs.replace(ADMITTING, warning=text)
    (warning,) = answer(verdict(cached(tiers={"standard": entry})))["warnings"]
    assert MAX_WARNING >= len(warning)
    assert warning.isprintable()


@pytest.mark.parametrize(
    ("what", "annotations"),
    [
        (
            verdict(cached()),
            {
                "verdict": "denied",
                "reason": "shield",
                "tier": "standard",
                "why": "etcd is at 93.4% of its quota",
            },
        ),
        (
            verdict(cached(), policy(mode=Mode.AUDIT)),
            {
                "verdict": "audited",
                "reason": "shield",
                "tier": "standard",
                "why": "etcd is at 93.4% of its quota",
            },
        ),
        (
            verdict(None),
            {"verdict": "admitted", "reason": "unknown", "tier": "standard"},
        ),
        (
            verdict(cached(), policy(operations=frozenset())),
            {"verdict": "admitted", "reason": "not_judged"},
        ),
        (
            verdict(
                cached(),
                policy(
                    exemptions=[
                        Exemption(
                            matcher(users=("*",)),
                            "repair",
                            NOW.timestamp() + 1,
                            0,
                        )
                    ]
                ),
            ),
            {
                "verdict": "admitted",
                "reason": "exempt",
                "tier": "standard",
                "exemption": "repair",
            },
        ),
    ],
    ids=["denied", "audited", "unknown", "not judged", "exempt"],
)
def test_audit_annotations_tell_tier_verdict_and_reason(
    what: Verdict, annotations: dict[str, str]
) -> None:
    assert annotations == answer(what)["auditAnnotations"]


@given(uid=st.text(min_size=1), reason=st.text(max_size=100), retry=st.integers(1, 450))
def test_a4_every_answer_is_json_and_echoes_the_uid_exactly(
    uid: str, reason: str, retry: int
) -> None:
    entry = msgspec.structs.replace(DENYING, reason=reason)
    what = verdict(cached(tiers={"standard": entry}))
    assert uid == answer(what, uid=uid, retry_after=retry)["uid"]


@given(
    uid=st.text(min_size=1),
    reason=st.text(max_size=100),
    warning=st.none() | st.text(max_size=200),
    mode=st.sampled_from([Mode.ENFORCE, Mode.WARN, Mode.AUDIT]),
    allow=st.booleans(),
)
def test_an_admission_is_the_same_bytes_however_it_is_encoded(
    uid: str, reason: str, warning: str | None, mode: Mode, *, allow: bool
) -> None:
    entry = msgspec.structs.replace(DENYING, allow=allow, reason=reason, warning=warning)
    what = verdict(cached(tiers={"standard": entry}), policy(mode=mode))
    assume(what.allowed)
    asked = request(uid=uid)
    expected = encode(admission_response(asked, what, DenialFormat()))
    assert expected == encode_admission(asked, what)
