"""What room and slots need beside the signals: counters of runs, etcd's quota, the held runs.

`core.room` and `core.holding` compute with these; here they are read. Each is missing when it
cannot be read, and what that means is decided in the core: no new batch, the last known quota.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from shield_common import logs
from shield_common.decision import MAX_VALUE, DocumentError
from shield_common.held import decode_held_report
from shield_common.store.outage import OutageLog
from shield_common.store.protocol import AdmittedCounter, HeldReportReader, StoreError
from shield_evaluator.core.holding import HeldReading
from shield_evaluator.core.plan import DEFAULT_QUOTA
from shield_evaluator.prometheus.response import PrometheusError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from shield_common.held import HeldReport
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.state import Instant
    from shield_evaluator.prometheus.source import QueryClient

# A quota changes when etcd restarts with another flag; asked at every cycle it would double the
# queries. A failed query is repeated in the next cycle.
QUOTA_SECONDS: Final = 60
# What is read, as logs name it.
_COUNTERS: Final = "counters"
_HELD_RUNS: Final = "held runs"


@dataclass(frozen=True, slots=True)
class RoomInputs:
    """One cycle's inputs.

    Attributes:
        quotas: signal -> etcd's quota in bytes, the least of all members.
        totals: tier -> runs admitted in total; None if they could not be read.
        held: what is known of held runs.
    """

    quotas: Mapping[str, float] = field(default_factory=dict)
    totals: Mapping[str, int] | None = None
    held: HeldReading = field(default_factory=HeldReading)


class RoomSource(Protocol):
    """Anything that reads the inputs of room."""

    async def read(self, plan: Plan, *, budget: float) -> RoomInputs:
        """See `RoomReader.read`."""
        ...

    async def remove(self, counters: Collection[str]) -> None:
        """See `RoomReader.remove`."""
        ...


class RoomStore(AdmittedCounter, HeldReportReader, Protocol):
    """The part of the store that is read."""


class QuotaReader:
    """Reads etcd's quota for the signals that have a run cost."""

    def __init__(self, client: QueryClient, *, now: Callable[[], Instant]) -> None:
        self._client = client
        self._now = now
        self._quotas: dict[str, tuple[float, int]] = {}
        self._notes = _Episodes()

    async def read(self, plan: Plan, *, budget: float) -> dict[str, float]:
        """Return signal -> bytes, the least of all members; without those that cannot be read.

        Args:
            plan: which signals have a run cost, and where their quota is from.
            budget: seconds for the queries.
        """
        signals = {signal for by_signal in plan.room_plans.values() for signal in by_signal}
        sources = {signal: plan.signals[signal].quota or DEFAULT_QUOTA for signal in signals}
        expressions = {source for source in sources.values() if isinstance(source, str)}
        answers = await asyncio.gather(*(self._quota(each, budget) for each in expressions))
        queried = dict(zip(expressions, answers, strict=True))
        quotas = {
            signal: float(source) if isinstance(source, int) else queried[source]
            for signal, source in sources.items()
        }
        return {signal: quota for signal, quota in quotas.items() if quota is not None}

    @property
    def problems(self) -> dict[str, str]:
        """Why quotas could not be read the last time, by their query."""
        return self._notes.problems

    async def _quota(self, expression: str, budget: float) -> float | None:
        known = self._quotas.get(expression)
        now_ms = self._now().ms
        if known is not None and now_ms < known[1]:
            return known[0]
        try:
            answer = await self._client.query(expression, budget=budget)
        except PrometheusError as error:
            self._notes.note(expression, str(error))
            return None
        values = [sample.value for sample in answer.samples if 0 < sample.value <= MAX_VALUE]
        if not values:
            self._notes.note(expression, "no sample above 0 and up to 1e18")
            return None
        self._notes.note(expression, "")
        quota = min(values)
        self._quotas[expression] = (quota, now_ms + QUOTA_SECONDS * 1000)
        return quota


class _Episodes:
    """Logs the start and the end of an episode, not every cycle of it."""

    def __init__(self) -> None:
        self._problems: dict[str, str] = {}
        self._log = logs.get(__name__)

    @property
    def problems(self) -> dict[str, str]:
        """The problems of now, by what they are about."""
        return {what: problem for what, problem in self._problems.items() if problem}

    def note(self, what: str, problem: str) -> None:
        """Log a problem that is new, or the end of one."""
        before = self._problems.get(what, "")
        if problem and not before:
            self._log.warning("an input of room cannot be read", input=what, problem=problem)
        elif before and not problem:
            self._log.info("an input of room can be read again", input=what)
        self._problems[what] = problem


class RoomReader:
    """Reads the inputs of room and slots from the store and from Prometheus."""

    def __init__(
        self,
        store: RoomStore,
        client: QueryClient,
        *,
        now: Callable[[], Instant],
        outage: OutageLog | None = None,
    ) -> None:
        self._store = store
        self._outage = OutageLog() if outage is None else outage
        self._quota_reader = QuotaReader(client, now=now)
        self._notes = _Episodes()
        self._log = logs.get(__name__)

    async def read(self, plan: Plan, *, budget: float) -> RoomInputs:
        """Read everything concurrently; errors end in missing inputs.

        Args:
            plan: which signals have a run cost, and where their quota is from.
            budget: seconds for the queries.
        """
        (totals, held), quotas = await asyncio.gather(
            self._counts(plan), self._quota_reader.read(plan, budget=budget)
        )
        return RoomInputs(quotas=quotas, totals=totals, held=held)

    async def remove(self, counters: Collection[str]) -> None:
        """Remove counters that no admitter can have written; they begin again at 0."""
        for name in counters:
            self._log.error("a counter of admitted runs is implausible, removing it", field=name)
        try:
            await self._store.remove_admitted(counters)
        except StoreError as error:
            self._outage.failed(_COUNTERS, error)

    async def _counts(self, plan: Plan) -> tuple[Mapping[str, int] | None, HeldReading]:
        """Read the counters, and before them the report that states how far it counted."""
        report, store_answered = None, False
        if plan.max_held is not None:
            report, store_answered = await self._report()
        try:
            admitted = await self._store.read_admitted()
        except StoreError as error:
            self._outage.failed(_COUNTERS, error)
            return None, HeldReading(report, store_answered)
        self._outage.answered(_COUNTERS)
        self._notes.note(_COUNTERS, "; ".join(admitted.problems))
        return admitted.totals, HeldReading(report, store_answered, admitted.held)

    async def _report(self) -> tuple[HeldReport | None, bool]:
        """Read the report of held runs; return it, and whether the store answered."""
        try:
            stored = await self._store.read_held_report()
        except StoreError as error:
            self._outage.failed(_HELD_RUNS, error)
            return None, False
        self._outage.answered(_HELD_RUNS)
        report, problem = None, "shield-controller reports none"
        if stored is not None:
            try:
                report, problem = decode_held_report(stored.document), ""
            except DocumentError as error:
                problem = str(error)
        self._notes.note(_HELD_RUNS, problem)
        return report, True
