"""Trial of a configuration: each query is run once, and the answer weighed for each tier."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from shield_common.store.check import TriedOperation
from shield_evaluator.core.observation import Comparison, Observation, compare, unusable
from shield_evaluator.core.room import RoomState, advance, room_of
from shield_evaluator.core.state import Instant
from shield_evaluator.prometheus.client import PrometheusClient
from shield_evaluator.prometheus.environment import ambiguity, find_section, link_to
from shield_evaluator.prometheus.response import PrometheusError
from shield_evaluator.prometheus.source import SignalQuery, observe_signal
from shield_evaluator.room_inputs import QuotaReader
from shield_evaluator.status.chart import Effect

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.settings import EvaluatorSettings


_EFFECTS = {
    Comparison.ABOVE: Effect.DENIES,
    Comparison.BETWEEN: Effect.HOLDS,
    Comparison.UNPROVEN: Effect.HOLDS,
    Comparison.BELOW: Effect.ADMITS,
}


class SignalTrial(Struct, frozen=True, kw_only=True):
    """The answer to one query.

    Attributes:
        expression: the PromQL.
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
    """What the value of one signal does to one tier."""

    effect: Effect
    warn: float | None
    set: float
    reset: float


class TierTrial(Struct, frozen=True, kw_only=True):
    """What one tier would do, and what each signal does to it.

    Attributes:
        room: how many more runs fit below its target, before what admitted runs are still going to
            write; None without a ``run_cost``, or while value or quota are not known.
        run_cost: bytes that one of these runs is expected to add.
    """

    effect: Effect
    room: float | None = None
    run_cost: int | None = None
    signals: dict[str, ThresholdTrial]


class Trial(Struct, frozen=True, kw_only=True):
    """The result for a whole configuration; its JSON form is what ``--output json`` prints.

    Attributes:
        metrics_source: the section of docs/metrics-sources.md that fits what was queried.
        quota_problems: query of a quota -> why it cannot be read; without it there is no room.
        redis: what the evaluator needs from Redis; empty if it was not tried.
    """

    cluster: str
    default_tier: str
    signals: dict[str, SignalTrial]
    tiers: dict[str, TierTrial]
    metrics_source: str | None = None
    quota_problems: dict[str, str] = {}
    redis: tuple[TriedOperation, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every signal can both deny and admit: usable, and no member is missing."""
        return all(signal.state == "ok" for signal in self.signals.values())

    @property
    def lacking(self) -> list[str]:
        """The operations that the evaluator needs and Redis refuses."""
        return [o.name for o in self.redis if o.needed and o.problem is not None]


@dataclass(frozen=True, slots=True)
class Answers:
    """What Prometheus says to a configuration.

    Attributes:
        observations: by signal; that of a failed query says why.
        section: the title of the section of docs/metrics-sources.md that applies; None if unknown.
        quotas: signal -> etcd's quota in bytes, where a run cost needs it and it can be read.
        quota_problems: query of a quota -> why it cannot be read.
    """

    observations: Mapping[str, Observation]
    section: str | None = None
    quotas: Mapping[str, float] = field(default_factory=dict)
    quota_problems: Mapping[str, str] = field(default_factory=dict)


async def ask_prometheus(settings: EvaluatorSettings) -> Answers:
    """Run every query once, as a cycle does, and look at what is scraped."""
    plan, queries, budget = settings.plan(), settings.queries(), settings.query_timeout
    client = PrometheusClient(settings.prometheus)
    reader = QuotaReader(client, now=lambda: Instant(ms=0, utc=datetime.now(UTC)))

    async def observed(name: str, query: SignalQuery) -> Observation:
        members = plan.signals[name].members
        try:
            observation = await observe_signal(client, query, members=members, budget=budget)
            if members is None and observation.member_count > 1 and observation.problem is None:
                problem = await ambiguity(client, query.expression, budget=budget)
                return replace(observation, partial=problem is not None, problem=problem)
        except PrometheusError as error:
            return unusable(f"{error.kind}: {error}")
        return observation

    try:
        observations = await asyncio.gather(*(observed(*query) for query in queries.items()))
        return Answers(
            observations=dict(zip(queries, observations, strict=True)),
            section=await find_section(client, budget=budget),
            quotas=await reader.read(plan, budget=budget),
            quota_problems=reader.problems,
        )
    finally:
        await client.close()


def trial_of(
    settings: EvaluatorSettings,
    answers: Answers | None,
    redis: Sequence[TriedOperation] = (),
) -> Trial:
    """Weigh the observations against the thresholds of each tier.

    Args:
        settings: the configuration.
        answers: of Prometheus; None if it was not asked.
        redis: the operations that were tried.
    """
    plan = settings.plan()
    observations = section = room = None
    if answers is not None:
        observations, section, quotas = answers.observations, answers.section, answers.quotas
        # No totals and an empty state: nothing is reserved.
        room = advance(plan, RoomState(), observations, quotas=quotas, totals=None, now_ms=0)
    return Trial(
        cluster=settings.cluster,
        default_tier=plan.default_tier,
        metrics_source=None if section is None else link_to(section),
        quota_problems={} if answers is None else dict(answers.quota_problems),
        signals={
            name: _signal(
                expression,
                plan.signals[name].unit.value,
                None if observations is None else observations[name],
            )
            for name, expression in settings.expressions().items()
        },
        tiers={tier: _tier(plan, tier, observations, room) for tier in plan.tiers},
        redis=tuple(redis),
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
        members=observation.member_count,
        problem=observation.problem,
    )


def _tier(
    plan: Plan,
    tier: str,
    observations: Mapping[str, Observation] | None,
    room: RoomState | None,
) -> TierTrial:
    signals = {
        signal: ThresholdTrial(
            effect=Effect.UNKNOWN
            if observations is None
            else _EFFECTS[compare(observations[signal], threshold)],
            warn=threshold.warn,
            set=threshold.set,
            reset=threshold.reset,
        )
        for signal, threshold in plan.tiers[tier].items()
    }
    effects = {tried.effect for tried in signals.values()}
    # One signal is enough to deny; all of them are needed to admit.
    order = (Effect.UNKNOWN, Effect.DENIES, Effect.HOLDS, Effect.ADMITS)
    least = None if room is None else room_of(plan, room, tier)
    return TierTrial(
        effect=next(e for e in order if e in effects),
        signals=signals,
        room=None if least is None else least.runs,
        run_cost=None if least is None else least.learned_run_cost,
    )
