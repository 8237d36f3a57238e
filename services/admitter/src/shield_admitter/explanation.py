"""Why a request would be told what it would be told, as data and in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from shield_admitter.core.response import denial, response_fields
from shield_admitter.core.verdict import NO_TIER, Reason, judge
from shield_admitter.settings import TOO_MANY_REQUESTS

if TYPE_CHECKING:
    from datetime import datetime

    from shield_admitter.core.decision_age import Held
    from shield_admitter.core.review import Request
    from shield_admitter.settings import AdmitterSettings


class Rule(Struct, frozen=True):
    """A rule of the configuration.

    Attributes:
        path: where it stands, for example ``tiers[0]``.
        content: what it says.
    """

    path: str
    content: dict[str, Any]

    def __str__(self) -> str:
        """Write it on one line."""
        return f"{self.path}: {msgspec.json.encode(self.content).decode()}"


class Explanation(Struct, frozen=True, kw_only=True):
    """The verdict on one request, and how it came about.

    Attributes:
        allowed: the answer.
        verdict: in one word, as metrics count it.
        reason: which rule settled it, as metrics count it.
        tier: the request's; None if it is not judged.
        tier_rule: the rule that led there; None for the default tier.
        mode: of the tier.
        exemption: the exemption that matched.
        retry: the rule that tells when to come back.
        freshness: what the decision's age is called.
        age_seconds: of the decision; None without one.
        problem: why there is no decision.
        message: what a denied requester reads.
        warnings: what an admitted one reads.
    """

    allowed: bool
    verdict: str
    reason: str
    tier: str | None
    tier_rule: Rule | None
    mode: str
    exemption: Rule | None
    retry: Rule | None
    freshness: str
    age_seconds: float | None
    problem: str | None
    message: str | None
    warnings: tuple[str, ...]


def explain_request(
    request: Request,
    held: Held | None,
    settings: AdmitterSettings,
    *,
    now_ms: int,
    utc: datetime,
    problem: str | None = None,
) -> Explanation:
    """Judge a request and say why.

    Args:
        request: as the API server would describe it.
        held: the decision.
        settings: the configuration.
        now_ms: the clock of ``held``.
        utc: the wall clock, for the expiry of exemptions.
        problem: why there is no decision.
    """
    policy = settings.policy()
    verdict = judge(request, held, policy, now_ms=now_ms, utc=utc)
    style = settings.denial_style()
    fields = response_fields(verdict, request.kind.kind, style)
    return Explanation(
        allowed=verdict.allowed,
        verdict=verdict.outcome.value,
        reason=verdict.reason.value,
        tier=verdict.tier if verdict.tier != NO_TIER else None,
        tier_rule=_rule("tiers", settings.tiers, verdict.tier_rule),
        mode=policy.tier_modes.get(verdict.tier, policy.mode).value,
        exemption=_rule("exemptions", settings.exemptions, verdict.exemption),
        retry=_rule("retry_after", settings.retry_after, verdict.retry),
        freshness=verdict.freshness.value,
        age_seconds=None if held is None else held.age_ms(now_ms) / 1000,
        problem=problem,
        message=None if verdict.allowed else denial(verdict, request.kind.kind, style),
        warnings=tuple(fields.get("warnings", ())),
    )


def in_words(explanation: Explanation, settings: AdmitterSettings) -> list[str]:
    """Return the explanation as lines."""
    lines = [f"{'Admitted' if explanation.allowed else 'Denied'}: {_why(explanation, settings)}."]
    if explanation.tier is not None:
        rule = explanation.tier_rule
        by = "no rule of tiers matches, so default_tier" if rule is None else str(rule)
        lines.append(f"Tier: {explanation.tier} ({by}).")
        lines.append(f"Mode: {explanation.mode}.")
    if explanation.exemption is not None:
        lines.append(f"Exemption: {explanation.exemption}.")
    lines.append(f"Decision: {_decision(explanation)}.")
    if explanation.retry is not None:
        lines.append(f"Comes back by itself: {explanation.retry}.")
    elif not explanation.allowed:
        why = "no rule of retry_after matches"
        if settings.denial.code != TOO_MANY_REQUESTS:
            why = f"denial.code is {settings.denial.code}"
        lines.append(f"Comes back by itself: no, {why}.")
    if explanation.message is not None:
        lines.append(f"Message: {explanation.message}")
    lines += [f"Warning: {warning}" for warning in explanation.warnings]
    return lines


def _why(explanation: Explanation, settings: AdmitterSettings) -> str:
    unknown = f"there is no current decision, and on_unknown is {settings.freshness.on_unknown}"
    shield = (
        "the decision admits its tier" if explanation.allowed else "the decision denies its tier"
    )
    if explanation.allowed and explanation.verdict != "admitted":
        shield = f"the decision denies its tier, but the mode is {explanation.mode}"
    return {
        Reason.SHIELD: shield,
        Reason.OVERRIDE: f"{shield}, by an operator's override",
        Reason.UNKNOWN: unknown,
        Reason.EXEMPT: "it is exempt",
        Reason.NOT_JUDGED: "its operation, kind or subresource is not judged",
        Reason.MODE_OFF: "the mode of its tier is off",
    }[Reason(explanation.reason)]


def _decision(explanation: Explanation) -> str:
    if explanation.age_seconds is None:
        return (explanation.problem or "none").rstrip(".")
    return f"{explanation.freshness}, {explanation.age_seconds:.0f} s old"


def _rule(path: str, rules: tuple[Struct, ...], found: Any) -> Rule | None:  # noqa: ANN401 - one of three rules of the core, each with its position
    if found is None:
        return None
    content = msgspec.json.decode(msgspec.json.encode(rules[found.position]))
    return Rule(f"{path}[{found.position}]", {k: v for k, v in content.items() if v})
