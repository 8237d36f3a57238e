"""Explains a verdict, as data and as text. The command line is in `cli.explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from shield_admitter.core.hold import mutate, mutation_policy, validate
from shield_admitter.core.pacing import Pacing
from shield_admitter.core.response import (
    AdmissionResponse,
    admission_response,
    mutation_response,
)
from shield_admitter.core.slots import Slots
from shield_admitter.core.verdict import NO_TIER, AdmitterState, Outcome, Reason, Verdict
from shield_admitter.settings import TOO_MANY_REQUESTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shield_admitter.core.review import Request
    from shield_admitter.core.rules import Exemption, RetryRule, TierRule
    from shield_admitter.settings import AdmitterSettings
    from shield_common.decision_age import CachedDecision


class ConfiguredRule(Struct, frozen=True):
    """A rule of the configuration.

    Attributes:
        path: its place in the file, for example ``tiers[0]``.
        content: its fields.
    """

    path: str
    content: dict[str, Any]

    def __str__(self) -> str:
        """Return it on one line."""
        return f"{self.path}: {msgspec.json.encode(self.content).decode()}"


class Explanation(Struct, frozen=True, kw_only=True):
    """The verdict on one request, and the reasons for it.

    Attributes:
        allowed: the answer.
        verdict: in one word, as metrics count it.
        reason: what decided it, as metrics count it.
        tier: the request's tier; None if it is not judged.
        tier_rule: the rule that set the tier; None for the default tier.
        mode: of the tier.
        exemption: the exemption that matched.
        retry: the rule that says when to try again.
        freshness: of the decision.
        age_seconds: of the decision; None without one.
        problem: why there is no decision.
        message: text of the denial; None if admitted.
        warnings: warnings of an admitted request.
    """

    allowed: bool
    verdict: str
    reason: str
    tier: str | None
    tier_rule: ConfiguredRule | None
    mode: str
    exemption: ConfiguredRule | None
    retry: ConfiguredRule | None
    freshness: str
    age_seconds: float | None
    problem: str | None
    message: str | None
    warnings: tuple[str, ...]


def explain_request(
    request: Request,
    cached: CachedDecision | None,
    settings: AdmitterSettings,
    *,
    now_ms: int,
    utc_now: datetime,
    problem: str | None = None,
) -> Explanation:
    """Judge a request, at /mutate and then at /validate, and explain the verdict.

    Args:
        request: as the API server would send it.
        cached: the decision.
        settings: the configuration.
        now_ms: the clock of ``cached``.
        utc_now: the wall clock, for the expiry of exemptions.
        problem: why there is no decision.
    """
    policy = settings.policy()
    verdict, response = _judge(request, cached, settings, now_ms=now_ms, utc_now=utc_now)
    return Explanation(
        allowed=verdict.allowed,
        verdict=verdict.outcome.value,
        reason=verdict.reason.value,
        tier=verdict.tier if verdict.tier != NO_TIER else None,
        tier_rule=_configured("tiers", settings.tiers, verdict.tier_rule),
        mode=policy.tier_modes.get(verdict.tier, policy.mode).value,
        exemption=_configured("exemptions", settings.exemptions, verdict.exemption),
        retry=_configured("retry_after", settings.retry_after, verdict.retry_rule),
        freshness=verdict.freshness.value,
        age_seconds=None if cached is None else cached.age_ms(now_ms) / 1000,
        problem=problem,
        message=None if response.status is None else response.status.message,
        warnings=tuple(response.warnings or ()),
    )


def _judge(
    request: Request,
    cached: CachedDecision | None,
    settings: AdmitterSettings,
    *,
    now_ms: int,
    utc_now: datetime,
) -> tuple[Verdict, AdmissionResponse]:
    """Return the verdict, and the response of the webhook that decides."""
    policy, form = settings.policy(), settings.denial_format()
    pacing, slots = Pacing(), Slots()
    if cached is not None:
        pacing.grant(cached.decision)
        slots.grant(cached.decision, now_ms=now_ms, unflushed=0)
    state = AdmitterState(cached, pacing, slots, now_ms, utc_now.timestamp())
    mutation = mutate(request, mutation_policy(policy), state)
    if mutation.verdict is not None:
        return mutation.verdict, mutation_response(request, mutation, form)
    verdict = validate(request, policy, state)
    return verdict, admission_response(request, verdict, form)


def text_lines(explanation: Explanation, settings: AdmitterSettings) -> list[str]:
    """Return the explanation as lines of text."""
    answer = "Admitted" if explanation.allowed else "Denied"
    if explanation.verdict == Outcome.HELD:
        condition = (
            "an operator's override has ended and " if explanation.reason == Reason.OVERRIDE else ""
        )
        answer = f"Held until {condition}etcd has room"
    lines = [f"{answer}: {_reason_text(explanation, settings)}."]
    if explanation.tier is not None:
        rule = explanation.tier_rule
        source = "no rule of tiers matches, so default_tier" if rule is None else str(rule)
        lines.append(f"Tier: {explanation.tier} ({source}).")
        lines.append(f"Mode: {explanation.mode}.")
    if explanation.exemption is not None:
        lines.append(f"Exemption: {explanation.exemption}.")
    lines.append(f"Decision: {_decision_text(explanation)}.")
    if explanation.retry is not None:
        lines.append(f"Client tries again: {explanation.retry}.")
    elif explanation.verdict == Outcome.PACED and settings.denial.code == TOO_MANY_REQUESTS:
        lines.append("Client tries again: yes, when its answer's retryAfterSeconds are over.")
    elif not explanation.allowed:
        cause = "no rule of retry_after matches"
        if settings.denial.code != TOO_MANY_REQUESTS:
            cause = f"denial.code is {settings.denial.code}"
        lines.append(f"Client tries again: no, {cause}.")
    if explanation.message is not None:
        lines.append(f"Message: {explanation.message}")
    lines += [f"Warning: {warning}" for warning in explanation.warnings]
    return lines


def _reason_text(explanation: Explanation, settings: AdmitterSettings) -> str:
    unknown = f"there is no current decision, and on_unknown is {settings.freshness.on_unknown}"
    by_decision = (
        "the decision admits its tier" if explanation.allowed else "the decision denies its tier"
    )
    if explanation.verdict == Outcome.HELD:
        by_decision = "the decision denies its tier"
    elif explanation.allowed and explanation.verdict != Outcome.ADMITTED:
        by_decision = f"the decision denies its tier, but the mode is {explanation.mode}"
    return {
        Reason.DECISION: by_decision,
        Reason.OVERRIDE: f"{by_decision}, by an operator's override",
        Reason.ROOM: "its tier has no room for one more run right now",
        Reason.UNKNOWN: unknown,
        Reason.EXEMPT: "it is exempt",
        Reason.NOT_JUDGED: "its operation, kind or subresource is not judged, or it starts no run",
        Reason.MODE_OFF: "the mode of its tier is off",
        Reason.QUEUE: "other runs of its tier are held and start first",
        Reason.PENDING: "it is created pending and writes nothing before it is started",
        Reason.RELEASED: "a controller of etcd-shield starts it",
    }[Reason(explanation.reason)]


def _decision_text(explanation: Explanation) -> str:
    if explanation.age_seconds is None:
        return (explanation.problem or "none").rstrip(".")
    return f"{explanation.freshness}, {explanation.age_seconds:.0f} s old"


def _configured(
    path: str, rules: Sequence[Struct], matched: TierRule | Exemption | RetryRule | None
) -> ConfiguredRule | None:
    if matched is None:
        return None
    fields = msgspec.json.decode(msgspec.json.encode(rules[matched.index]))
    content = {key: value for key, value in fields.items() if value}
    return ConfiguredRule(f"{path}[{matched.index}]", content)
