"""Trying a configuration: each query asked once, and what each tier would make of the answer."""

from __future__ import annotations

import asyncio
import enum
from typing import TYPE_CHECKING

from msgspec import Struct

from shield_evaluator.core.latch import Evidence, evidence_of
from shield_evaluator.core.observation import Observation, observe, unusable
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.settings import EvaluatorSettings


class Effect(enum.StrEnum):
    """What a value does to a tier."""

    DENY = "denies"
    HOLD = "holds"  # whatever the tier does, it goes on doing
    ADMIT = "admits"
    UNKNOWN = "unknown"  # not asked


_EFFECTS = {
    Evidence.ABOVE: Effect.DENY,
    Evidence.BETWEEN: Effect.HOLD,
    Evidence.NONE: Effect.HOLD,
    Evidence.BELOW: Effect.ADMIT,
}


class SignalTrial(Struct, frozen=True, kw_only=True):
    """What one query gave.

    Attributes:
        expression: the PromQL that was asked.
        state: ``ok``, ``partial``, ``unusable`` or ``not asked``.
        problem: why it is unusable or partial.
    """

    expression: str
    unit: str
    state: str
    value: float | None = None
    member: str | None = None
    members: int = 0
    problem: str | None = None


class ThresholdTrial(Struct, frozen=True, kw_only=True):
    """What one signal's value does to one tier."""

    effect: Effect
    warn: float | None
    set: float
    reset: float


class TierTrial(Struct, frozen=True, kw_only=True):
    """What one tier would do, and by which signals."""

    effect: Effect
    signals: dict[str, ThresholdTrial]


class Trial(Struct, frozen=True, kw_only=True):
    """What came of trying a configuration."""

    cluster: str
    default_tier: str
    signals: dict[str, SignalTrial]
    tiers: dict[str, TierTrial]

    @property
    def sound(self) -> bool:
        """Whether every signal could open and close the shield: usable and complete."""
        return all(signal.state == "ok" for signal in self.signals.values())


async def ask(settings: EvaluatorSettings) -> dict[str, Observation]:
    """Ask every query once, as a cycle would; a failed one's observation says why."""
    client = PrometheusClient(settings.prometheus)
    plan = settings.plan()

    async def one(name: str, expression: str) -> Observation:
        try:
            answer = await client.query(expression, budget=settings.query_timeout)
        except PrometheusError as error:
            return unusable(f"{error.kind}: {error}")
        members = plan.signals[name].members
        return observe(answer.samples, expected_members=members, warnings=answer.warnings)

    expressions = settings.expressions()
    try:
        seen = await asyncio.gather(*(one(name, asked) for name, asked in expressions.items()))
    finally:
        await client.close()
    return dict(zip(expressions, seen, strict=True))


def judge(settings: EvaluatorSettings, seen: Mapping[str, Observation] | None) -> Trial:
    """Say what the answers mean.

    Args:
        settings: the configuration.
        seen: the observations by signal; None if nothing was asked.
    """
    plan = settings.plan()
    return Trial(
        cluster=settings.cluster,
        default_tier=plan.default_tier,
        signals={
            name: _signal(
                expression, plan.signals[name].unit.value, None if seen is None else seen[name]
            )
            for name, expression in settings.expressions().items()
        },
        tiers={tier: _tier(plan, tier, seen) for tier in plan.tiers},
    )


def _signal(expression: str, unit: str, observation: Observation | None) -> SignalTrial:
    if observation is None:
        return SignalTrial(expression=expression, unit=unit, state="not asked")
    state = "partial" if observation.partial else "ok" if observation.usable else "unusable"
    return SignalTrial(
        expression=expression,
        unit=unit,
        state=state,
        value=observation.value,
        member=observation.member,
        members=observation.members,
        problem=observation.problem,
    )


def _tier(plan: Plan, tier: str, seen: Mapping[str, Observation] | None) -> TierTrial:
    judged = {
        signal: ThresholdTrial(
            effect=Effect.UNKNOWN
            if seen is None
            else _EFFECTS[evidence_of(seen[signal], threshold)],
            warn=threshold.warn,
            set=threshold.set,
            reset=threshold.reset,
        )
        for signal, threshold in plan.tiers[tier].items()
    }
    effects = {one.effect for one in judged.values()}
    # One signal is enough to deny; to admit, all of them have to.
    order = (Effect.UNKNOWN, Effect.DENY, Effect.HOLD, Effect.ADMIT)
    return TierTrial(effect=next(e for e in order if e in effects), signals=judged)
