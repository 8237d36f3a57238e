"""Trial of a configuration: each query is run once, and the answer weighed for each tier."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from shield_common.store.check import TriedOperation
from shield_evaluator.core.latch import Instant
from shield_evaluator.core.observation import Comparison, Observation, compare, unusable
from shield_evaluator.core.room import RoomState, advance, room_of
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


_NO_QUOTAS: Final[Mapping[str, float]] = MappingProxyType({})
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
        redis: what the evaluator needs from Redis; empty if it was not tried.
    """

    cluster: str
    default_tier: str
    signals: dict[str, SignalTrial]
    tiers: dict[str, TierTrial]
    metrics_source: str | None = None
    redis: tuple[TriedOperation, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every signal can both deny and admit: usable, and no member is missing."""
        return all(signal.state == "ok" for signal in self.signals.values())

    @property
    def lacking(self) -> list[str]:
        """The operations that the evaluator needs and Redis refuses."""
        return [o.name for o in self.redis if o.needed and o.problem is not None]


async def query_once(settings: EvaluatorSettings) -> dict[str, Observation]:
    """Run every query once, as a cycle does; the observation of a failed one says why."""
    client = PrometheusClient(settings.prometheus)
    plan = settings.plan()

    async def one(name: str, query: SignalQuery) -> Observation:
        members, budget = plan.signals[name].members, settings.query_timeout
        try:
            observation = await observe_signal(client, query, members=members, budget=budget)
            if members is None and observation.members > 1 and observation.problem is None:
                problem = await ambiguity(client, query.expression, budget=budget)
                return replace(observation, partial=problem is not None, problem=problem)
        except PrometheusError as error:
            return unusable(f"{error.kind}: {error}")
        return observation

    queries = settings.queries()
    try:
        observations = await asyncio.gather(*(one(*pair) for pair in queries.items()))
    finally:
        await client.close()
    return dict(zip(queries, observations, strict=True))


async def query_quotas(settings: EvaluatorSettings) -> dict[str, float]:
    """Return etcd's quota in bytes for each signal with a run cost, where it can be read."""
    client = PrometheusClient(settings.prometheus)
    reader = QuotaReader(client, now=lambda: Instant(ms=0, utc=datetime.now(UTC)))
    try:
        return await reader.read(settings.plan(), budget=settings.query_timeout)
    finally:
        await client.close()


async def query_environment(settings: EvaluatorSettings) -> str | None:
    """Return the title of the section of docs/metrics-sources.md that applies; None if unknown."""
    client = PrometheusClient(settings.prometheus)
    try:
        return await find_section(client, budget=settings.query_timeout)
    finally:
        await client.close()


def trial_of(
    settings: EvaluatorSettings,
    observations: Mapping[str, Observation] | None,
    section: str | None = None,
    redis: Sequence[TriedOperation] = (),
    quotas: Mapping[str, float] = _NO_QUOTAS,
) -> Trial:
    """Weigh the observations against the thresholds of each tier.

    Args:
        settings: the configuration.
        observations: by signal; None if no query was run.
        section: of docs/metrics-sources.md; None if unknown.
        redis: the operations that were tried.
        quotas: signal -> etcd's quota in bytes.
    """
    plan = settings.plan()
    room = None
    if observations is not None:
        # No totals and an empty state: nothing is reserved.
        room = advance(plan, RoomState(), observations, quotas=quotas, totals=None, now_ms=0)
    return Trial(
        cluster=settings.cluster,
        default_tier=plan.default_tier,
        metrics_source=None if section is None else link_to(section),
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
        members=observation.members,
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
        run_cost=None if least is None else least.run_cost,
    )
