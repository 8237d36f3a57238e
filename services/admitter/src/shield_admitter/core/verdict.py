"""The verdict: a pure function of the request, the held decision, its age and the policy.

The only place that decides what absence means: no decision, an expired one, a tier that the
decision does not know.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_admitter.core.decision_age import CURRENT, Freshness, FreshnessLimits, Held, freshness
from shield_admitter.core.rules import (
    Exemption,
    RetryRule,
    TierRule,
    find_exemption,
    find_retry,
    find_tier,
)
from shield_common.decision import Decision, TierDecision

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shield_admitter.core.review import Request


class Mode(enum.StrEnum):
    """What a denying tier does to a request."""

    ENFORCE = "enforce"
    WARN = "warn"  # admit, with a warning
    AUDIT = "audit"  # admit, but count and log what would have been denied
    OFF = "off"


class Outcome(enum.StrEnum):
    """The verdict in one word, as metrics count it."""

    ADMITTED = "admitted"
    DENIED = "denied"
    WARNED = "warned"  # admitted in mode warn, would have been denied
    AUDITED = "audited"  # admitted in mode audit, would have been denied


class Reason(enum.StrEnum):
    """Which rule settled it."""

    SHIELD = "shield"  # the decision's bit for the tier
    OVERRIDE = "override"  # an operator's word inside the decision
    UNKNOWN = "unknown"  # no current decision: on_unknown
    EXEMPT = "exempt"
    NOT_JUDGED = "not_judged"  # another operation, kind or a subresource
    MODE_OFF = "mode_off"


NO_TIER: Final = ""  # requests that are not judged belong to no tier


@dataclass(frozen=True, slots=True)
class Policy:
    """The admitter's configuration as the verdict needs it.

    Attributes:
        tiers: ordered tier rules.
        default_tier: where requests go that no rule matches.
        mode: for tiers without their own.
        tier_modes: by tier.
        exemptions: ordered.
        retry_rules: ordered.
        operations: which are judged.
        kinds: which are judged; ``*`` judges all.
        limits: when a decision is stale and expired.
        allow_unknown: what no current decision means.
    """

    tiers: Sequence[TierRule]
    default_tier: str
    mode: Mode
    limits: FreshnessLimits
    allow_unknown: bool
    tier_modes: Mapping[str, Mode] = field(default_factory=dict)
    exemptions: Sequence[Exemption] = ()
    retry_rules: Sequence[RetryRule] = ()
    operations: frozenset[str] = frozenset({"CREATE"})
    kinds: frozenset[str] = frozenset({"PipelineRun"})


class Verdict(Struct, frozen=True):
    """What one request is told, and why.

    Attributes:
        outcome: in one word.
        reason: which rule settled it.
        tier: the request's; `NO_TIER` if it is not judged.
        freshness: of the decision that was used.
        entry: what the decision says for the tier; None without a current decision, and for a
            tier that the decision does not know.
        decision: the decision that was used; None without a current one.
        tier_rule: the rule that matched; None for the default tier.
        exemption: the exemption that matched.
        retry: when the requester should come back; only for a denial.
    """

    outcome: Outcome
    reason: Reason
    tier: str
    freshness: Freshness
    entry: TierDecision | None = None
    decision: Decision | None = None
    tier_rule: TierRule | None = None
    exemption: Exemption | None = None
    retry: RetryRule | None = None

    @property
    def allowed(self) -> bool:
        """Whether the request is admitted."""
        return self.outcome is not Outcome.DENIED


def judge(
    request: Request, held: Held | None, policy: Policy, *, now_ms: int, utc: datetime
) -> Verdict:
    """Judge one request.

    Args:
        request: the review's.
        held: the decision that is held.
        policy: the configuration.
        now_ms: this process's monotonic clock, for the decision's age.
        utc: the wall clock, for the expiry of exemptions alone.
    """
    age = freshness(held, policy.limits, now_ms=now_ms)
    if not _is_judged(request, policy):
        return Verdict(Outcome.ADMITTED, Reason.NOT_JUDGED, NO_TIER, age)
    rule = find_tier(policy.tiers, request)
    tier = policy.default_tier if rule is None else rule.tier
    mode = policy.tier_modes.get(tier, policy.mode)
    if mode is Mode.OFF:
        return Verdict(Outcome.ADMITTED, Reason.MODE_OFF, tier, age, tier_rule=rule)
    if policy.exemptions:
        exemption = find_exemption(policy.exemptions, request, utc)
        if exemption is not None:
            return Verdict(
                Outcome.ADMITTED, Reason.EXEMPT, tier, age, tier_rule=rule, exemption=exemption
            )
    decision = held.decision if held is not None and age in CURRENT else None
    allow = policy.allow_unknown if decision is None else allows(decision, tier)
    outcome = Outcome.ADMITTED if allow else _DENIAL_BY_MODE[mode]
    return Verdict(
        outcome,
        _reason(decision, tier),
        tier,
        age,
        entry=None if decision is None else decision.tiers.get(tier),
        decision=decision,
        tier_rule=rule,
        retry=find_retry(policy.retry_rules, request) if outcome is Outcome.DENIED else None,
    )


_DENIAL_BY_MODE: Final = {
    Mode.ENFORCE: Outcome.DENIED,
    Mode.WARN: Outcome.WARNED,
    Mode.AUDIT: Outcome.AUDITED,
}


def allows(decision: Decision, tier: str) -> bool:
    """Return the bit for a tier; one that the decision does not know has the default bit."""
    entry = decision.tiers.get(tier)
    return decision.allow if entry is None else entry.allow


def _is_judged(request: Request, policy: Policy) -> bool:
    return (
        request.operation in policy.operations
        and not request.subResource
        and (request.kind.kind in policy.kinds or "*" in policy.kinds)
    )


def _reason(decision: Decision | None, tier: str) -> Reason:
    if decision is None:
        return Reason.UNKNOWN
    if decision.override is not None and decision.override.covers(tier):
        return Reason.OVERRIDE
    return Reason.SHIELD
