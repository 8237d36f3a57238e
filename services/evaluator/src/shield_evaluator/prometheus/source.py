"""Observations from Prometheus: all signals of one cycle at once; every error ends here."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from shield_common import logs
from shield_evaluator.core.observation import Observation, Sample, observe, unusable
from shield_evaluator.prometheus.alert_rules import AlertRules, observe_alert
from shield_evaluator.prometheus.response import Answer, PrometheusError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_evaluator.core.plan import Plan


@dataclass(frozen=True, slots=True)
class SignalQuery:
    """What Prometheus is asked for one signal.

    Attributes:
        expression: PromQL; for an alert it gives 1 while the alert fires.
        alert: the alert's name; None for a signal with a query.
        member_label: the label that names the member; see `members.member_names`.
    """

    expression: str
    alert: str | None = None
    member_label: str | None = None


class QueryClient(Protocol):
    """Anything that answers instant queries."""

    async def query(self, expression: str, *, budget: float) -> Answer:
        """See `prometheus.client.PrometheusClient.query`."""
        ...


class SignalClient(Protocol):
    """Anything that answers instant queries and knows alert rules."""

    async def query(
        self,
        expression: str,
        *,
        budget: float,
        member_label: str | None = None,
        members: int | None = None,
    ) -> Answer:
        """See `prometheus.client.PrometheusClient.query`."""
        ...

    async def alert_rules(self, alert: str, *, budget: float) -> AlertRules:
        """See `prometheus.client.PrometheusClient.alert_rules`."""
        ...

    async def start_time(self, *, budget: float) -> datetime:
        """See `prometheus.client.PrometheusClient.start_time`."""
        ...


class PrometheusSource:
    """Turns queries into observations."""

    def __init__(
        self, client: SignalClient, *, on_error: Callable[[str], None] = lambda _kind: None
    ) -> None:
        self._client = client
        self._on_error = on_error
        self._log = logs.get(__name__)
        self._failing: set[str] = set()

    async def observe(
        self, queries: Mapping[str, SignalQuery], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        """Ask for every signal concurrently.

        Args:
            queries: by signal.
            plan: says how many members each signal has.
            budget: seconds for all of them together.

        Returns:
            One observation per signal; that of a failed query is unusable.
        """
        names = list(queries)
        self._failing.intersection_update(names)
        observations = await asyncio.gather(
            *(self._observe(name, queries[name], plan, budget) for name in names)
        )
        return dict(zip(names, observations, strict=True))

    async def _observe(
        self, name: str, query: SignalQuery, plan: Plan, budget: float
    ) -> Observation:
        try:
            observation = await observe_signal(
                self._client, query, members=plan.signals[name].members, budget=budget
            )
        except PrometheusError as error:
            self._on_error(error.kind)
            observation = unusable(str(error))
        self._log_change(name, observation)
        return observation

    def _log_change(self, name: str, observation: Observation) -> None:
        """Log when a signal becomes unusable and when it recovers, not every cycle between."""
        if observation.usable and name in self._failing:
            self._failing.discard(name)
            self._log.info("signal is usable again", signal=name)
        elif not observation.usable and name not in self._failing:
            self._failing.add(name)
            self._log.warning("signal is unusable", signal=name, problem=observation.problem)


async def observe_signal(
    client: SignalClient, query: SignalQuery, *, members: int | None, budget: float
) -> Observation:
    """Ask for one signal.

    Args:
        client: the Prometheus.
        query: what it is asked.
        members: the number of members that should answer; None if it is not configured.
        budget: seconds for everything.

    Raises:
        PrometheusError: there was no answer in time.
    """
    if query.alert is not None:
        return await _observe_alert(client, query.alert, query.expression, budget)
    answer = await client.query(
        query.expression, budget=budget, member_label=query.member_label, members=members
    )
    return observe(answer.samples, expected_members=members, warnings=answer.warnings)


async def _observe_alert(
    client: SignalClient, alert: str, expression: str, budget: float
) -> Observation:
    # Half of the time, so that the other half is left for a server without a rules API.
    rules, started_at = await asyncio.gather(
        client.alert_rules(alert, budget=budget / 2),
        client.start_time(budget=budget / 2),
        return_exceptions=True,
    )
    for failure in (rules, started_at):
        if isinstance(failure, BaseException) and not isinstance(failure, PrometheusError):
            raise failure
    if isinstance(rules, BaseException):
        # Some servers have no rules API. The ALERTS series proves that the alert fires there, but
        # its absence proves nothing.
        answer = await client.query(expression, budget=budget / 2)
        if any(sample.value >= 1 for sample in answer.samples):
            return Observation(
                value=1.0,
                member=alert,
                member_count=1,
                partial=True,
                problem=f"no rules API, so only firing can be seen: {rules}",
                samples=(Sample(alert, 1.0),),
            )
        raise rules
    return observe_alert(
        rules,
        now=datetime.now(UTC),
        started_at=None if isinstance(started_at, BaseException) else started_at,
    )
