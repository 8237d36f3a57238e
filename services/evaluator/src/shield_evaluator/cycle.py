"""One cycle: observe, step the latches, decide, publish.

The only place where the core's state lives. Nothing here knows HTTP, metrics or files: each cycle
ends in a `Report`, and whoever wants to show it is told.

A standby keeps what the writer publishes in memory, so that it can take over even when the store
loses everything at the same moment.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from shield_common import logs
from shield_common.decision import Decision, DecisionError, decode_decision, encode_decision
from shield_common.store.protocol import PublishResult, StoreError
from shield_evaluator.core import latches_document
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.forecast import Histories
from shield_evaluator.core.latch import Instant, ShieldState, advance, after_pause
from shield_evaluator.report import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_common.store.protocol import DecisionReader
    from shield_evaluator.core.forecast import History
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.lease import Writer
    from shield_evaluator.override import OverrideInForce
    from shield_evaluator.watch import Watch


class Source(Protocol):
    """Whatever observes the signals."""

    async def observe(
        self, expressions: Mapping[str, str], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        """See `prometheus.source.PrometheusSource.observe`."""
        ...


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What belongs together: observations, the state they led to, and what both went by.

    A decision is made from one of these as a whole, because an override may ask for one while a
    cycle has already adopted another configuration, or another writer's latches.
    """

    watch: Watch
    at: Instant
    state: ShieldState
    observations: Mapping[str, Observation]


class Cycle:
    """Evaluates; one call at a time.

    Attributes:
        watch: what the last cycle went by.
    """

    def __init__(
        self,
        watch: Watch,
        *,
        source: Source,
        decisions: DecisionReader,
        override: OverrideInForce,
        writer: Writer,
        now: Callable[[], Instant],
        on_report: Callable[[Report], None],
    ) -> None:
        self.watch = watch
        self._next_watch = watch
        self._source = source
        self._decisions = decisions
        self._override = override
        self._writer = writer
        self._now = now
        self._on_report = on_report
        self._state = ShieldState()
        self._order = (0, 0)  # of the newest decision whose latches are in self._state
        self._inherited = False  # self._state is just what that decision's writer left
        self._due_ms: int | None = None  # by when self._state's next observations must come
        # None unless it is ours to publish: a standby's is out of date when it takes over.
        self._evaluation: _Evaluation | None = None
        self._histories = Histories()
        self._unreadable: bytes | None = None
        # A decision that only follows an override may come while a cycle waits for Prometheus.
        self._publishing = asyncio.Lock()
        self._log = logs.get(__name__)

    @property
    def override_ends_ms(self) -> int | None:
        """When the override in force ends, on the clock of `Instant.ms`; None if none is ours."""
        return self._override.ends_ms if self._writer.held else None

    def histories(self) -> Mapping[str, History]:
        """Return the last hour of each signal."""
        return self._histories.by_signal

    def apply_settings(self, watch: Watch) -> None:
        """Go by something else from the next cycle on; latches that it still names are kept."""
        self._next_watch = watch

    async def evaluate(self) -> Report:
        """Run one cycle. Errors of the store and of Prometheus end in the report.

        Raises:
            EvictionPolicyError: the store must not be used.
        """
        started = self._now()
        self._adopt(self._next_watch)
        watch = self.watch
        if not self._writer.held:
            self._evaluation = None
        if not await self._leads():
            return await self._stand_by(started)
        observations = await self._source.observe(
            watch.expressions, watch.plan, budget=watch.budget
        )
        async with self._publishing:
            at = self._now()
            self._state = advance(watch.plan, self._without_pause(at), observations, at)
            self._inherited, self._due_ms = False, at.ms + watch.pause_ms
            self._histories.add(watch.plan, observations, now_ms=at.ms)
            self._evaluation = _Evaluation(watch, at, self._state, observations)
            return await self._publish(started, self._evaluation)

    async def redecide(self) -> Report | None:
        """Publish again without observing, because the override changed; None on standby.

        It may be called while `evaluate` waits for its observations.
        """
        async with self._publishing:
            if not self._writer.held or self._evaluation is None:
                return None
            return await self._publish(self._now(), self._evaluation, again=True)

    def _adopt(self, watch: Watch) -> None:
        if watch is self.watch:
            return
        if self._due_ms is not None:
            self._due_ms += max(0, watch.pause_ms - self.watch.pause_ms)
        self.watch = watch
        dropped = latches_document.removed_latches(self._state, watch.plan)
        kept = len(self._state.latches) - len(dropped)
        self._log.info("configuration in force", latches_kept=kept, latches_dropped=dropped)

    def _without_pause(self, at: Instant) -> ShieldState:
        """Return the state; after a pause, without what nobody has seen since."""
        if self._due_ms is None or at.ms <= self._due_ms:
            return self._state
        left = after_pause(self._state)
        if left != self._state:
            self._log.warning("did not observe for too long, reset_for starts again")
        return left

    async def _leads(self) -> bool:
        """Say whether this cycle should evaluate: unless another evaluator is the writer.

        While the store does not answer nobody can be asked, and evaluating on keeps the latches
        current for the moment when it does; nothing can be published meanwhile.
        """
        if self._writer.held:
            return True
        try:
            held = await self._writer.claim()
            self._catch_up(await self._writer.read_latches())
        except StoreError:
            return True
        if held:
            dropped = latches_document.removed_latches(self._state, self.watch.plan)
            self._log.info(
                "leading", latches=len(self._state.latches), latches_dropped=dropped or None
            )
        return held

    def _catch_up(self, document: bytes | None) -> None:
        """Take over the stored latches if they are newer than what is in memory.

        The same ones are read anew, because their ages count from the reading: the time since
        the writer's last word, in which perhaps nobody looked, must count for no timer.
        """
        if document is None:
            return
        now = self._now()
        try:
            stored = latches_document.decode(document, now_ms=now.ms)
        except latches_document.LatchesDocumentError as error:
            if document != self._unreadable:
                self._log.error(
                    "stored latches are unreadable, keeping our own", problem=str(error)
                )
            self._unreadable = document
            return
        if stored.order > self._order or (self._inherited and stored.order == self._order):
            self._state, self._order, self._inherited = stored.state, stored.order, True
            self._due_ms = now.ms + self.watch.pause_ms

    async def _stand_by(self, started: Instant) -> Report:
        decision = None
        try:
            stored = await self._decisions.read_decision()
            await self._override.refresh(self._now().ms, unlimited_ms=self.watch.ttl_ms)
            decision = None if stored is None else decode_decision(stored.document)
        except (StoreError, DecisionError) as error:
            self._log.debug("the writer's decision cannot be read", problem=str(error))
        return self._report(Outcome.STANDBY, started, decision, None)

    async def _publish(
        self, started: Instant, evaluation: _Evaluation, *, again: bool = False
    ) -> Report:
        writer, watch = self._writer, evaluation.watch
        now_ms = self._now().ms
        self._override.expire(now_ms)
        sure = True
        if writer.held:
            sure = await self._override.refresh(now_ms, unlimited_ms=watch.ttl_ms)
        decision = self._decide(evaluation)
        result = None
        if writer.held and sure:
            self._order = decision.order
            result = await writer.publish(
                encode_decision(decision),
                ttl_ms=watch.ttl_ms,
                allow=decision.allow,
                # As of the observations: what has passed since must count for no timer.
                latches=latches_document.encode(
                    evaluation.state, now_ms=evaluation.at.ms, order=decision.order
                ),
            )
        published = result is PublishResult.PUBLISHED
        outcome = Outcome.PUBLISHED if published else Outcome.UNPUBLISHED
        return self._report(outcome, started, decision, result, evaluation, again=again)

    def _decide(self, evaluation: _Evaluation) -> Decision:
        watch = evaluation.watch
        return decide(
            watch.plan,
            evaluation.state,
            evaluation.observations,
            now=evaluation.at,
            envelope=Envelope(
                cluster=watch.cluster,
                epoch=self._writer.epoch,
                sequence=self._writer.next_sequence,
                ttl_ms=watch.ttl_ms,
                interval_ms=round(watch.interval * 1000),
                status_url=watch.status_url,
            ),
            override=self._override.value,
            time_to_full_seconds=self._histories.seconds_to_full(
                watch.plan, evaluation.state.last_usable_ms, now_ms=evaluation.at.ms
            ),
        )

    def _report(
        self,
        outcome: Outcome,
        started: Instant,
        decision: Decision | None,
        publish: PublishResult | None,
        evaluation: _Evaluation | None = None,
        *,
        again: bool = False,
    ) -> Report:
        report = Report(
            outcome=outcome,
            at=started,
            seconds=(self._now().ms - started.ms) / 1000,
            plan=self.watch.plan if evaluation is None else evaluation.watch.plan,
            decision=decision,
            state=self._state if evaluation is None else evaluation.state,
            observations={} if evaluation is None else evaluation.observations,
            publish=publish,
            again=again,
        )
        self._on_report(report)
        return report
