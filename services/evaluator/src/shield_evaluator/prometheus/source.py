"""Observations from Prometheus: all signals of one cycle, asked at once; no error gets past."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from shield_common import logs
from shield_evaluator.core.observation import Observation, observe, unusable
from shield_evaluator.prometheus.response import Answer, PrometheusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_evaluator.core.plan import Plan


class QueryClient(Protocol):
    """Whatever answers instant queries."""

    async def query(self, expression: str, *, budget: float) -> Answer:
        """See `prometheus.client.PrometheusClient.query`."""
        ...


class PrometheusSource:
    """Turns queries into observations."""

    def __init__(
        self, client: QueryClient, *, on_error: Callable[[str], None] = lambda _kind: None
    ) -> None:
        self._client = client
        self._on_error = on_error
        self._log = logs.get(__name__)
        self._failing: set[str] = set()

    async def observe(
        self, expressions: Mapping[str, str], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        """Ask for every signal concurrently.

        Args:
            expressions: signal -> PromQL.
            plan: says how many members each signal has.
            budget: seconds for all of them together.

        Returns:
            One observation per signal; a failed query's is unusable.
        """
        names = list(expressions)
        self._failing.intersection_update(names)
        observations = await asyncio.gather(
            *(self._one(name, expressions[name], plan, budget) for name in names)
        )
        return dict(zip(names, observations, strict=True))

    async def _one(self, name: str, expression: str, plan: Plan, budget: float) -> Observation:
        try:
            answer = await self._client.query(expression, budget=budget)
        except PrometheusError as error:
            self._on_error(error.kind)
            return self._told(name, unusable(str(error)))
        return self._told(
            name,
            observe(
                answer.samples,
                expected_members=plan.signals[name].members,
                warnings=answer.warnings,
            ),
        )

    def _told(self, name: str, observation: Observation) -> Observation:
        """Log the begin and the end of a signal's bad times, not every cycle of it."""
        if observation.usable and name in self._failing:
            self._failing.discard(name)
            self._log.info("signal is usable again", signal=name)
        elif not observation.usable and name not in self._failing:
            self._failing.add(name)
            self._log.warning("signal is unusable", signal=name, problem=observation.problem)
        return observation
