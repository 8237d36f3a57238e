"""One cycle: observe, advance the latches, decide, publish.

Nothing here knows HTTP, metrics or files. Each cycle ends in a `CycleResult`, from which metrics,
status page and probes are made.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shield_common import logs
from shield_common.decision import Decision, DocumentError, decode_decision, encode_decision
from shield_common.store.keys import held_field
from shield_common.store.protocol import PublishResult, StoreError
from shield_evaluator.core import latches_document
from shield_evaluator.core.decide import Envelope, decide, undecided_tiers
from shield_evaluator.core.forecast import Histories
from shield_evaluator.cycle_result import CycleOutcome, CycleResult
from shield_evaluator.latch_memory import LatchMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_common.held import HeldReport
    from shield_common.store.protocol import DecisionReader
    from shield_evaluator.config_snapshot import ConfigSnapshot
    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.core.state import Instant, ShieldState
    from shield_evaluator.lease import Writer
    from shield_evaluator.override import OverrideInForce
    from shield_evaluator.prometheus.source import SignalQuery
    from shield_evaluator.room_inputs import RoomSource


class Source(Protocol):
    """Anything that observes the signals."""

    async def observe(
        self, queries: Mapping[str, SignalQuery], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        """See `prometheus.source.PrometheusSource.observe`."""
        ...


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """Observations, the state that they led to, and the configuration of both.

    A decision is made from one evaluation as a whole, because an override may require a decision
    while a cycle has already switched to another configuration or to another writer's latches.
    """

    config: ConfigSnapshot
    at: Instant
    state: ShieldState
    observations: Mapping[str, Observation]
    held_report: HeldReport | None


class Cycle:
    """Evaluates the signals and publishes decisions; one call of `evaluate` at a time.

    Attributes:
        config: the configuration of the last cycle.
    """

    def __init__(
        self,
        config: ConfigSnapshot,
        *,
        source: Source,
        room: RoomSource,
        decisions: DecisionReader,
        override: OverrideInForce,
        writer: Writer,
        now: Callable[[], Instant],
        on_result: Callable[[CycleResult], None],
    ) -> None:
        self.config = config
        self._next_config = config
        self._source = source
        self._room = room
        self._decisions = decisions
        self._override = override
        self._writer = writer
        self._now = now
        self._on_result = on_result
        self._memory = LatchMemory(pause_ms=config.pause_ms)
        self._histories = Histories()
        # None on standby: an evaluation from before would be outdated at the takeover.
        self._evaluation: _Evaluation | None = None
        # The tiers because of which the last decision was withheld.
        self._undecided: list[str] = []
        # A decision that only follows an override may come while a cycle waits for Prometheus.
        self._publishing = asyncio.Lock()
        self._log = logs.get(__name__)

    @property
    def override_ends_ms(self) -> int | None:
        """When the override ends, on the clock of `Instant.ms`; None without one or on standby."""
        return self._override.ends_ms if self._writer.lease_held else None

    def histories(self) -> Mapping[str, History]:
        """Return the last hour of each signal."""
        return self._histories.by_signal

    def apply_settings(self, config: ConfigSnapshot) -> None:
        """Use another configuration from the next cycle on."""
        self._next_config = config

    async def evaluate(self) -> CycleResult:
        """Run one cycle. Errors of the store and of Prometheus end in the result.

        Raises:
            EvictionPolicyError: the store must not be used.
        """
        started = self._now()
        if self._next_config is not self.config:
            old, self.config = self.config, self._next_config
            self._memory.apply_settings(old.plan, self.config.plan, pause_ms=self.config.pause_ms)
        config = self.config
        if not self._writer.lease_held:
            self._evaluation = None
        if not await self._leads():
            return await self._stand_by(started)
        observations, inputs = await asyncio.gather(
            self._source.observe(config.queries, config.plan, budget=config.budget),
            self._room.read(config.plan, budget=config.budget),
        )
        async with self._publishing:
            at = self._now()
            self._memory.advance(config.plan, observations, inputs, at)
            self._histories.add(config.plan, observations, now_ms=at.ms)
            self._evaluation = _Evaluation(
                config, at, self._memory.state, observations, inputs.held.report
            )
            result = await self._publish(started, self._evaluation)
        state = self._memory.state
        implausible = [*state.room.implausible, *map(held_field, state.holding.implausible)]
        if implausible:
            await self._room.remove(implausible)
        return result

    async def redecide(self) -> CycleResult | None:
        """Publish the last evaluation again because the override changed; None on standby.

        May be called while `evaluate` waits for its observations.
        """
        async with self._publishing:
            if not self._writer.lease_held or self._evaluation is None:
                return None
            return await self._publish(self._now(), self._evaluation, republished=True)

    async def _leads(self) -> bool:
        """Return whether this cycle should evaluate: unless another evaluator holds the lease.

        While the store does not answer, nothing can be published. Evaluating all the same keeps
        the latches current for the moment when it answers again.
        """
        # A publication renews the lease; while none is made, claiming it again does.
        if self._writer.lease_held and not self._undecided:
            return True
        try:
            lease_held = await self._writer.claim()
            self._memory.adopt(await self._writer.read_latches(), now_ms=self._now().ms)
            if lease_held and self._memory.blank:
                self._memory.recover(await self._writer.read_decision(), self.config.plan)
        except StoreError:
            return True
        if lease_held and not self._undecided:
            self._log.info(
                "leading",
                latches=len(self._memory.state.latches),
                latches_removed=self._memory.removed_latches(self.config.plan) or None,
            )
        return lease_held

    async def _stand_by(self, started: Instant) -> CycleResult:
        decision = None
        try:
            stored = await self._decisions.read_decision()
            await self._override.refresh(self._now().ms, unlimited_ms=self.config.ttl_ms)
            decision = None if stored is None else decode_decision(stored.document)
        except (StoreError, DocumentError) as error:
            self._log.debug("the writer's decision cannot be read", problem=str(error))
        return self._finish(
            CycleResult(
                outcome=CycleOutcome.STANDBY,
                at=started,
                seconds=self._seconds_since(started),
                plan=self.config.plan,
                decision=decision,
                state=self._memory.state,
            )
        )

    async def _publish(
        self, started: Instant, evaluation: _Evaluation, *, republished: bool = False
    ) -> CycleResult:
        writer, config = self._writer, evaluation.config
        now_ms = self._now().ms
        self._override.expire(now_ms)
        certain = True
        if writer.lease_held:
            certain = await self._override.refresh(now_ms, unlimited_ms=config.ttl_ms)
        self._note_undecided(undecided_tiers(config.plan, evaluation.state, self._override.value))
        decision = None if self._undecided else self._decide(evaluation)
        answer = None
        if writer.lease_held and certain and decision is not None:
            self._memory.mark_published(decision.order)
            answer = await writer.publish(
                encode_decision(decision),
                ttl_ms=config.ttl_ms,
                allow=decision.allow,
                # As of the observations: the time that has passed since counts for no timer.
                latches=latches_document.encode(
                    evaluation.state, now_ms=evaluation.at.ms, order=decision.order
                ),
            )
        if writer.lease_held and decision is None:
            outcome = CycleOutcome.WITHHELD
        elif answer is PublishResult.PUBLISHED:
            outcome = CycleOutcome.PUBLISHED
        else:
            outcome = CycleOutcome.UNPUBLISHED
        return self._finish(
            CycleResult(
                outcome=outcome,
                at=started,
                seconds=self._seconds_since(started),
                plan=config.plan,
                decision=decision,
                state=evaluation.state,
                observations=evaluation.observations,
                publish=answer,
                republished=republished,
                held_report=evaluation.held_report,
            )
        )

    def _note_undecided(self, undecided: list[str]) -> None:
        if undecided and not self._undecided:
            self._log.warning(
                "no decision is published yet: no memory of earlier ones, and not enough"
                " observations to decide without it",
                undecided_tiers=undecided,
            )
        elif self._undecided and not undecided:
            self._log.info("every tier is decided, publishing")
        self._undecided = undecided

    def _decide(self, evaluation: _Evaluation) -> Decision:
        config = evaluation.config
        return decide(
            config.plan,
            evaluation.state,
            evaluation.observations,
            now=evaluation.at,
            envelope=Envelope(
                cluster=config.cluster,
                epoch=self._writer.epoch,
                sequence=self._writer.next_sequence,
                ttl_ms=config.ttl_ms,
                interval_ms=round(config.interval * 1000),
                status_url=config.status_url,
                admitters=config.admitters or self._writer.admitters or 1,
            ),
            override=self._override.value,
            time_to_full_seconds=self._histories.seconds_to_full(
                config.plan, evaluation.state.last_usable_ms, now_ms=evaluation.at.ms
            ),
        )

    def _finish(self, result: CycleResult) -> CycleResult:
        self._on_result(result)
        return result

    def _seconds_since(self, started: Instant) -> float:
        return (self._now().ms - started.ms) / 1000
