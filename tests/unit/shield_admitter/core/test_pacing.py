"""Pacing: when a run has to wait for room, what it is answered, and what uses up room."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from shield_admitter.core.pacing import (
    MAX_WAIT_SECONDS,
    Pacing,
    retry_seconds,
    runs_per_minute,
)
from shield_admitter.core.response import DenialFormat, admission_response
from shield_admitter.core.review import Request
from shield_admitter.core.rules import Exemption, Matcher, RetryRule
from shield_admitter.core.slots import Slots
from shield_admitter.core.verdict import (
    AdmitterState,
    Mode,
    Outcome,
    Policy,
    Reason,
    Verdict,
    judge,
)
from shield_common.decision import Decision, Override, TierDecision
from shield_common.decision_age import CachedDecision, FreshnessLimits
from tests.unit.shield_admitter.builders import request

NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)
TIER = "standard"
INTERVAL_MS = 5_000


def _decision(share: float | None = 1.0, sequence: int = 1, **changes: Any) -> Decision:
    room = None if share is None else share * 24
    entry = TierDecision(allow=True, since=NOW, room=room, share=share)
    fields: dict[str, Any] = {
        "cluster": "c",
        "epoch": 1,
        "sequence": sequence,
        "ttl_ms": 300_000,
        "interval_ms": INTERVAL_MS,
        "evaluated_at": NOW,
        "allow": True,
        "tiers": {TIER: entry},
        "signals": {},
        "admitters": 2,
    }
    return Decision(**(fields | changes))


def _request(run: object = None, **changes: Any) -> Request:
    return request(**({"object": msgspec.Raw(json.dumps(run or {}).encode())} | changes))


def _policy(**changes: Any) -> Policy:
    fields: dict[str, Any] = {
        "tier_rules": (),
        "default_tier": TIER,
        "mode": Mode.ENFORCE,
        "limits": FreshnessLimits(stale_after_ms=30_000, expired_after_ms=300_000),
        "allow_unknown": True,
    }
    return Policy(**(fields | changes))


class _Admitter:
    """One admitter with a decision, asked as often as a test likes."""

    def __init__(self, decision: Decision, **policy: Any) -> None:
        self.pacing = Pacing()
        self.policy = _policy(**policy)
        self.accept(decision)

    def accept(self, decision: Decision) -> None:
        self.cached = CachedDecision(decision, 0)
        self.pacing.grant(decision)

    def judge(self, subject: Request | None = None, now_ms: int = 0) -> Verdict:
        state = AdmitterState(self.cached, self.pacing, Slots(), now_ms, NOW.timestamp())
        verdict = judge(subject or _request(), self.policy, state)
        if verdict.allowed and verdict.counts_run:
            self.pacing.take(verdict.tier)
        return verdict

    def outcomes(self, count: int, subject: Request | None = None) -> list[Outcome]:
        return [self.judge(subject).outcome for _ in range(count)]


def test_a_tier_without_a_share_is_not_paced() -> None:
    assert [Outcome.ADMITTED] * 50 == _Admitter(_decision(share=None)).outcomes(50)


def test_runs_beyond_the_share_are_paced() -> None:
    outcomes = _Admitter(_decision(share=2)).outcomes(3)
    assert [Outcome.ADMITTED, Outcome.ADMITTED, Outcome.PACED] == outcomes


def test_a_paced_run_is_refused_for_lack_of_room() -> None:
    verdict = _Admitter(_decision(share=0)).judge()
    assert (False, Reason.ROOM, TIER) == (verdict.allowed, verdict.reason, verdict.tier)


def test_the_next_decision_lets_further_runs_in() -> None:
    admitter = _Admitter(_decision(share=1))
    admitter.outcomes(2)
    admitter.accept(_decision(share=1, sequence=2))
    assert [Outcome.ADMITTED, Outcome.PACED] == admitter.outcomes(2)


def test_small_shares_add_up_over_decisions_without_requests() -> None:
    admitter = _Admitter(_decision(share=0.25, sequence=0))
    assert [Outcome.ADMITTED, Outcome.PACED] == admitter.outcomes(2)
    for sequence in range(1, 5):
        admitter.accept(_decision(share=0.25, sequence=sequence))
    assert [Outcome.ADMITTED, Outcome.PACED] == admitter.outcomes(2)


def test_while_the_evaluator_is_away_the_last_share_is_granted_again() -> None:
    admitter = _Admitter(_decision(share=1))
    admitter.judge()
    assert Outcome.ADMITTED is admitter.judge(now_ms=2 * INTERVAL_MS).outcome


def test_while_the_evaluator_is_away_no_more_than_its_part_of_the_room_is_granted() -> None:
    admitter = _Admitter(_decision(share=1))  # room for 24 runs, of which half are this one's
    admitted = sum(
        admitter.judge(now_ms=number * INTERVAL_MS).allowed
        for number in range(50)
        for _ in range(2)
    )
    assert 12 == admitted


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [(Mode.WARN, Outcome.WARNED), (Mode.AUDIT, Outcome.AUDITED), (Mode.OFF, Outcome.ADMITTED)],
)
def test_only_mode_enforce_makes_a_run_wait(mode: Mode, outcome: Outcome) -> None:
    assert outcome is _Admitter(_decision(share=0), mode=mode).judge().outcome


def test_an_exempt_run_is_admitted_and_uses_up_room() -> None:
    everybody = Matcher()
    exemption = Exemption(everybody, "drill", (NOW + timedelta(hours=1)).timestamp(), 0)
    admitter = _Admitter(_decision(share=1), exemptions=(exemption,))
    admitter.outcomes(2)
    admitter.policy = _policy()
    assert [Outcome.PACED] == admitter.outcomes(1)


def test_an_override_that_allows_is_not_paced() -> None:
    override = Override(allow=True, reason="r", by="b", since=NOW, until=NOW)
    entry = TierDecision(allow=True, since=NOW, room=0.0, share=None)
    admitter = _Admitter(_decision(override=override, tiers={TIER: entry}))
    assert [Outcome.ADMITTED] * 5 == admitter.outcomes(5)


def test_a_dry_run_gets_the_same_answer_and_uses_up_no_room() -> None:
    admitter = _Admitter(_decision(share=1))
    assert [Outcome.ADMITTED] * 3 == admitter.outcomes(3, _request(dryRun=True))


@pytest.mark.shows("trial T8")
def test_a_run_that_is_created_pending_waits_for_no_room_and_uses_up_none() -> None:
    admitter = _Admitter(_decision(share=1))
    pending = _request({"spec": {"status": "PipelineRunPending"}})
    assert [Outcome.ADMITTED] * 3 == admitter.outcomes(3, pending)
    assert Outcome.ADMITTED is admitter.judge().outcome


def _update(before: str | None, after: str | None) -> Request:
    def run(status: str | None) -> bytes:
        return json.dumps({"spec": {} if status is None else {"status": status}}).encode()

    return _request(
        operation="UPDATE", object=msgspec.Raw(run(after)), oldObject=msgspec.Raw(run(before))
    )


@pytest.mark.shows("trial T8")
@pytest.mark.parametrize(
    ("before", "after", "judged"),
    [
        pytest.param("PipelineRunPending", None, True, id="starts"),
        pytest.param("PipelineRunPending", "", True, id="starts-with-empty-text"),
        pytest.param("PipelineRunPending", "PipelineRunPending", False, id="stays-pending"),
        pytest.param("PipelineRunPending", "Cancelled", False, id="is-cancelled"),
        pytest.param(None, "StoppedRunFinally", False, id="is-stopped"),
        pytest.param(None, None, False, id="label-of-a-running-run"),
    ],
)
def test_of_updates_only_those_that_start_a_run_are_judged(
    before: str | None, after: str | None, *, judged: bool
) -> None:
    admitter = _Admitter(_decision(share=0), operations=frozenset({"CREATE", "UPDATE"}))
    reason = admitter.judge(_update(before, after)).reason
    assert judged is (reason is not Reason.NOT_JUDGED)


@pytest.mark.parametrize(
    "run", [b"[]", b"nonsense PipelineRunPending", b'{"spec": {"status": ["PipelineRunPending"]}}']
)
def test_a_run_that_cannot_be_decoded_starts(run: bytes) -> None:
    assert _request(object=msgspec.Raw(run)).starts_run is True


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (3.3, "about 79 more runs a minute"),
        (1 / 24, "one more run a minute"),
        (0.01, "less than one more run a minute"),
    ],
)
def test_a_paced_run_is_answered_with_the_number_of_runs_that_fit(share: float, words: str) -> None:
    admitter = _Admitter(_decision(share=share))
    verdict = admitter.judge()
    while verdict.allowed:
        verdict = admitter.judge()
    response = admission_response(_request(), verdict, DenialFormat())
    assert response.status is not None
    assert (
        "PipelineRun admission currently not allowed: etcd has room for "
        f"{words}; yours may start then. Tier: standard." == response.status.message
    )


def test_runs_per_minute_are_those_of_all_admitters() -> None:
    assert 48 == pytest.approx(runs_per_minute(_decision(share=2), TIER))


def test_an_admitter_that_has_just_started_may_admit_a_run_of_a_small_share() -> None:
    assert [Outcome.ADMITTED, Outcome.PACED] == _Admitter(_decision(share=0.1)).outcomes(2)


def test_an_admitter_that_has_just_started_admits_none_where_hardly_any_fits() -> None:
    # Room for 1.2 runs, and two admitters.
    assert [Outcome.PACED] == _Admitter(_decision(share=0.05)).outcomes(1)


def test_the_wait_is_the_time_until_the_next_token() -> None:
    admitter = _Admitter(_decision(share=0.5))
    admitter.judge()
    assert 10 == pytest.approx(admitter.judge().wait_seconds)


def test_a_wait_without_any_room_is_bounded() -> None:
    admitter = _Admitter(_decision(share=0))
    assert MAX_WAIT_SECONDS == admitter.judge().wait_seconds


@pytest.mark.parametrize(("random", "seconds"), [(0.0, 5), (0.5, 10), (1.0, 15)])
def test_paced_clients_come_back_spread_around_the_wait(random: float, seconds: int) -> None:
    assert seconds == retry_seconds(10, random)


def test_a_retry_rule_applies_to_a_paced_run_too() -> None:
    rule = RetryRule(30, Matcher(), 0)
    assert rule is _Admitter(_decision(share=0), retry_rules=(rule,)).judge().retry_rule
