"""What a request is told, by decision, age, mode, rule, exemption, operation and kind."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.core.pacing import Pacing
from shield_admitter.core.review import Kind
from shield_admitter.core.rules import Exemption, RetryRule, TierRule
from shield_admitter.core.slots import Slots
from shield_admitter.core.verdict import (
    AdmitterState,
    Mode,
    Outcome,
    Policy,
    Reason,
    Verdict,
    allows,
    judge,
)
from shield_common.decision import Override
from shield_common.decision_age import CachedDecision, Freshness
from tests.unit.shield_admitter.builders import (
    ADMITTING,
    DENYING,
    NOW,
    SINCE,
    cached,
    decision,
    matcher,
    policy,
    request,
)

EVERYONE = matcher(users=("*",))
TO_CRITICAL = TierRule("critical", EVERYONE, 0)


def judged(
    now: CachedDecision | None = None, rules: Policy | None = None, **changes: Any
) -> Verdict:
    state = AdmitterState(now, Pacing(), Slots(), 0, NOW.timestamp())
    return judge(request(**changes), rules or policy(), state)


def override(*, allow: bool, tiers: tuple[str, ...] | None = None) -> Override:
    return Override(allow=allow, tiers=tiers, reason="r", by="ada", since=SINCE, until=NOW)


@pytest.mark.parametrize(
    ("mode", "outcome"),
    [
        (Mode.ENFORCE, Outcome.DENIED),
        (Mode.WARN, Outcome.WARNED),
        (Mode.AUDIT, Outcome.AUDITED),
        (Mode.OFF, Outcome.ADMITTED),
    ],
)
def test_the_mode_says_what_a_denying_tier_does(mode: Mode, outcome: Outcome) -> None:
    assert outcome is judged(cached(), policy(mode=mode)).outcome


@pytest.mark.parametrize("mode", Mode)
def test_an_admitting_tier_admits_in_every_mode(mode: Mode) -> None:
    assert judged(cached(tiers={"standard": ADMITTING}), policy(mode=mode)).allowed


@pytest.mark.parametrize("outcome", Outcome)
def test_only_a_denied_or_paced_request_is_not_allowed(outcome: Outcome) -> None:
    verdict = Verdict(outcome, Reason.DECISION, "standard", Freshness.FRESH)
    assert (outcome in {Outcome.DENIED, Outcome.PACED}) is not verdict.allowed


def test_a_tier_s_own_mode_wins_over_the_global_one() -> None:
    rules = policy(mode=Mode.ENFORCE, tier_modes={"standard": Mode.WARN})
    assert Outcome.WARNED is judged(cached(), rules).outcome


def test_the_rule_that_matches_names_the_tier() -> None:
    verdict = judged(cached(), policy(tier_rules=[TO_CRITICAL]))
    assert ("critical", TO_CRITICAL, Outcome.ADMITTED) == (
        verdict.tier,
        verdict.tier_rule,
        verdict.outcome,
    )


def test_without_a_matching_rule_it_is_the_default_tier() -> None:
    rule = TierRule("critical", matcher(users=("eve",)), 0)
    verdict = judged(cached(), policy(tier_rules=[rule]))
    assert ("standard", None) == (verdict.tier, verdict.tier_rule)


@pytest.mark.parametrize("bit", [True, False], ids=["allow", "deny"])
def test_a_tier_that_the_decision_lacks_has_the_default_bit(bit: bool) -> None:
    verdict = judged(cached(allow=bit, tiers={}))
    assert (bit, Reason.DECISION, None) == (verdict.allowed, verdict.reason, verdict.tier_decision)


@pytest.mark.parametrize("allow_unknown", [True, False], ids=["allow", "deny"])
@pytest.mark.parametrize("now", [None, cached(age_ms=300_000)], ids=["none yet", "expired"])
def test_without_a_current_decision_the_policy_speaks(
    now: CachedDecision | None, allow_unknown: bool
) -> None:
    verdict = judged(now, policy(allow_unknown=allow_unknown))
    assert (allow_unknown, Reason.UNKNOWN, None) == (
        verdict.allowed,
        verdict.reason,
        verdict.decision,
    )


@pytest.mark.parametrize(("age_ms", "freshness"), [(0, Freshness.FRESH), (30_000, Freshness.STALE)])
def test_a_stale_decision_is_still_in_force(age_ms: int, freshness: Freshness) -> None:
    verdict = judged(cached(age_ms=age_ms), policy(allow_unknown=True))
    assert (Outcome.DENIED, freshness) == (verdict.outcome, verdict.freshness)


@pytest.mark.parametrize(
    ("mode", "outcome"), [(Mode.WARN, Outcome.WARNED), (Mode.AUDIT, Outcome.AUDITED)]
)
def test_the_mode_holds_for_unknown_decisions_too(mode: Mode, outcome: Outcome) -> None:
    assert outcome is judged(None, policy(mode=mode, allow_unknown=False)).outcome


@pytest.mark.parametrize(
    ("expires", "outcome", "reason"),
    [
        (NOW + timedelta(microseconds=1), Outcome.ADMITTED, Reason.EXEMPT),
        (NOW, Outcome.DENIED, Reason.DECISION),
    ],
    ids=["valid", "expired"],
)
def test_an_exemption_admits_until_it_expires(
    expires: Any, outcome: Outcome, reason: Reason
) -> None:
    verdict = judged(
        cached(), policy(exemptions=[Exemption(EVERYONE, "repair", expires.timestamp(), 0)])
    )
    assert (outcome, reason) == (verdict.outcome, verdict.reason)


def test_a_later_exemption_counts_when_an_earlier_one_has_expired() -> None:
    over = Exemption(EVERYONE, "then", NOW.timestamp(), 0)
    valid = Exemption(EVERYONE, "now", (NOW + timedelta(days=1)).timestamp(), 1)
    assert valid is judged(cached(), policy(exemptions=[over, valid])).exemption


def test_an_exemption_admits_also_when_nothing_is_known() -> None:
    exemptions = [Exemption(EVERYONE, "repair", (NOW + timedelta(days=1)).timestamp(), 0)]
    assert judged(None, policy(exemptions=exemptions, allow_unknown=False)).allowed


@pytest.mark.parametrize("operation", ["UPDATE", "DELETE", "CONNECT", "", "create"])
def test_a18_other_operations_are_admitted_unjudged(operation: str) -> None:
    verdict = judged(cached(), operation=operation)
    assert (True, Reason.NOT_JUDGED, "") == (verdict.allowed, verdict.reason, verdict.tier)


def test_a18_operations_can_be_configured() -> None:
    assert not judged(
        cached(), policy(operations=frozenset({"DELETE"})), operation="DELETE"
    ).allowed


def test_a18_subresources_are_admitted_unjudged() -> None:
    assert Reason.NOT_JUDGED is judged(cached(), subResource="status").reason


def test_a18_other_kinds_are_admitted_unjudged() -> None:
    assert Reason.NOT_JUDGED is judged(cached(), kind=Kind("", "v1", "Pod")).reason


def test_a18_every_kind_can_be_judged() -> None:
    rules = policy(kinds=frozenset({"*"}))
    assert not judged(cached(), rules, kind=Kind("", "v1", "Pod")).allowed


@pytest.mark.parametrize("dry_run", [True, False, None])
def test_a18_a_dry_run_gets_the_same_answer(dry_run: bool | None) -> None:
    assert Outcome.DENIED is judged(cached(), dryRun=dry_run).outcome


@pytest.mark.parametrize(
    ("tiers", "reason"),
    [(None, Reason.OVERRIDE), (("standard",), Reason.OVERRIDE), (("critical",), Reason.DECISION)],
    ids=["of all tiers", "of this tier", "of another tier"],
)
def test_an_override_is_named_as_the_reason(tiers: tuple[str, ...] | None, reason: Reason) -> None:
    assert reason is judged(cached(override=override(allow=False, tiers=tiers))).reason


def test_a_denied_request_has_a_retry_time() -> None:
    rule = RetryRule(30, EVERYONE, 0)
    assert rule is judged(cached(), policy(retry_rules=[rule])).retry_rule


@pytest.mark.parametrize("mode", [Mode.WARN, Mode.AUDIT, Mode.OFF])
def test_an_admitted_request_has_no_retry_time(mode: Mode) -> None:
    rules = policy(mode=mode, retry_rules=[RetryRule(30, EVERYONE, 0)])
    assert judged(cached(), rules).retry_rule is None


def test_a_tier_s_own_bit_counts_before_the_default_one() -> None:
    document = decision(allow=True, tiers={"standard": DENYING})
    assert (False, True) == (allows(document, "standard"), allows(document, "unheard-of"))


@given(
    st.integers(0, 10**6),
    st.booleans(),
    st.sampled_from(Mode),
    st.sampled_from(["CREATE", "UPDATE"]),
    st.sampled_from(["PipelineRun", "Pod"]),
)
def test_nothing_is_denied_that_is_not_judged_enforced_and_denying(
    age_ms: int, allow_unknown: bool, mode: Mode, operation: str, kind: str
) -> None:
    rules = policy(mode=mode, allow_unknown=allow_unknown)
    verdict = judged(cached(age_ms=age_ms), rules, operation=operation, kind=Kind("", "", kind))
    denying = age_ms < 300_000 or not allow_unknown
    expected = mode is Mode.ENFORCE and denying and (operation, kind) == ("CREATE", "PipelineRun")
    assert expected == (not verdict.allowed)
