"""One cycle: observe, step the latches, decide, publish; and the loop that keeps the cadence.

The only place where the core's state lives. Nothing here knows HTTP, metrics or files: each cycle
ends in a `Report`, and whoever wants to show it is told.
"""

from __future__ import annotations

import asyncio
import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from shield_common import logs
from shield_common.decision import (
    Decision,
    DecisionError,
    Override,
    decode_override,
    encode_decision,
)
from shield_common.store.protocol import PublishResult, StoreError
from shield_evaluator.core import state as latches_document
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.history import History
from shield_evaluator.core.latch import Instant, ShieldState, advance
from shield_evaluator.core.plan import Plan, Unit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_common.store.protocol import OverrideStore
    from shield_evaluator.core.observation import Observation
    from shield_evaluator.writer import Writer

QUOTA = 1.0  # a ratio signal's value when etcd is full


class Source(Protocol):
    """Whatever observes the signals."""

    async def observe(
        self, expressions: Mapping[str, str], plan: Plan, *, budget: float
    ) -> dict[str, Observation]:
        """See `prometheus.source.PrometheusSource.observe`."""
        ...


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched and how often; replaced as a whole when the configuration changes.

    Attributes:
        plan: for the core.
        expressions: signal -> PromQL.
        cluster: the cluster's name.
        interval: the cycle, seconds.
        budget: how long a cycle may wait for its observations, seconds.
        ttl_ms: how long a decision lives, milliseconds.
    """

    plan: Plan
    expressions: Mapping[str, str]
    cluster: str
    interval: float
    budget: float
    ttl_ms: int


class Outcome(enum.StrEnum):
    """How a cycle ended."""

    PUBLISHED = "published"
    STANDBY = "standby"  # another evaluator is the writer
    UNPUBLISHED = "unpublished"  # evaluated, but the store did not take it


@dataclass(frozen=True, slots=True)
class Report:
    """What one cycle saw and did.

    Attributes:
        outcome: how it ended.
        at: when it evaluated.
        seconds: how long it took.
        plan: what it went by.
        decision: what it decided; None on standby.
        state: the state after it.
        observations: by signal; empty on standby.
        publish: the store's answer; None when it gave none or was not asked.
    """

    outcome: Outcome
    at: Instant
    seconds: float
    plan: Plan
    decision: Decision | None
    state: ShieldState
    observations: Mapping[str, Observation] = field(default_factory=dict)
    publish: PublishResult | None = None


class Cycle:
    """Evaluates; one call at a time."""

    def __init__(
        self,
        watch: Watch,
        *,
        source: Source,
        overrides: OverrideStore,
        writer: Writer,
        now: Callable[[], Instant],
        on_report: Callable[[Report], None],
    ) -> None:
        self.watch = watch
        self.source = source
        self._overrides = overrides
        self._writer = writer
        self._now = now
        self._on_report = on_report
        self._state = ShieldState()
        self._observations: Mapping[str, Observation] = {}
        self._histories: dict[str, History] = {}
        self._override: tuple[Override, int] | None = None
        self._log = logs.get(__name__)

    @property
    def override_ends_ms(self) -> int | None:
        """When the override in force ends, on the clock of `Instant.ms`; None if none is ours."""
        return self._override[1] if self._override is not None and self._writer.held else None

    def histories(self) -> Mapping[str, History]:
        """Return the last hour of each signal."""
        return self._histories

    async def evaluate(self) -> Report:
        """Run one cycle. Errors of the store and of Prometheus end in the report.

        Raises:
            EvictionPolicyError: the store must not be used.
        """
        started = self._now()
        watch = self.watch
        if not await self._may_write():
            # Whoever writes now moves the latches on; ours are not worth keeping.
            self._state, self._override = ShieldState(), None
            return self._report(Outcome.STANDBY, started, None, None)
        self._observations = await self.source.observe(
            watch.expressions, watch.plan, budget=watch.budget
        )
        now = self._now()
        self._state = advance(watch.plan, self._state, self._observations, now)
        self._remember(now)
        return await self._publish(started, now)

    async def redecide(self) -> Report | None:
        """Publish again without observing, because the override changed; None on standby."""
        if not self._writer.held or not self._observations:
            return None
        now = self._now()
        return await self._publish(now, now)

    async def _may_write(self) -> bool:
        """Say whether this cycle should evaluate: unless another evaluator is the writer.

        While the store does not answer nobody can be asked, and evaluating on keeps the latches
        current for the moment when it does; nothing can be published meanwhile.
        """
        if self._writer.held:
            return True
        try:
            inherited = await self._writer.claim()
            if inherited:
                self._inherit(await self._writer.read_latches())
        except StoreError:
            return True
        return self._writer.held

    def _inherit(self, document: bytes | None) -> None:
        if document is None:
            return
        try:
            self._state = latches_document.read(document, now_ms=self._now().ms).state
        except latches_document.StateError as error:
            self._log.error("stored latches are unreadable, keeping our own", problem=str(error))
            return
        dropped = latches_document.dropped(self._state, self.watch.plan)
        self._log.info(
            "latches inherited", latches=len(self._state.latches), dropped=dropped or None
        )

    async def _publish(self, started: Instant, now: Instant) -> Report:
        writer, watch = self._writer, self.watch
        await self._refresh_override(now)
        decision = decide(
            watch.plan,
            self._state,
            self._observations,
            now=now,
            envelope=Envelope(
                cluster=watch.cluster,
                epoch=writer.epoch,
                sequence=writer.next_sequence,
                ttl_ms=watch.ttl_ms,
                interval_ms=round(watch.interval * 1000),
            ),
            override=None if self._override is None else self._override[0],
            time_to_full_seconds=self._time_to_full(),
        )
        result = None
        if writer.held:
            result = await writer.publish(
                encode_decision(decision),
                ttl_ms=watch.ttl_ms,
                allow=decision.allow,
                latches=latches_document.write(
                    self._state, now_ms=now.ms, order=(decision.epoch, decision.sequence)
                ),
            )
        published = result is PublishResult.PUBLISHED
        outcome = Outcome.PUBLISHED if published else Outcome.UNPUBLISHED
        return self._report(outcome, started, decision, result)

    async def _refresh_override(self, now: Instant) -> None:
        """Read the override; while the store is silent the known one counts until its end."""
        if self._override is not None and self._override[1] <= now.ms:
            self._override = None
        if not self._writer.held:
            return
        try:
            stored = await self._overrides.read_override()
        except StoreError:
            return
        if stored is None:
            self._override = None
            return
        try:
            override = decode_override(stored.document)
        except DecisionError as error:
            self._log.error("override ignored, it is unreadable", problem=str(error))
            self._override = None
            return
        # Without an expiry in the store (someone wrote it by hand) it is asked for every cycle.
        remaining = stored.remaining_ms if stored.remaining_ms is not None else self.watch.ttl_ms
        self._override = (override, now.ms + remaining)

    def _remember(self, now: Instant) -> None:
        for name in self._histories.keys() - self._observations.keys():
            del self._histories[name]
        for name, observation in self._observations.items():
            if observation.value is not None and not observation.partial:
                self._histories.setdefault(name, History()).add(now.ms, observation.value)

    def _time_to_full(self) -> float | None:
        forecasts = [
            seconds
            for name, history in self._histories.items()
            if name in self.watch.plan.signals
            and self.watch.plan.signals[name].unit is Unit.RATIO
            and (seconds := history.seconds_to(QUOTA)) is not None
        ]
        return min(forecasts, default=None)

    def _report(
        self,
        outcome: Outcome,
        started: Instant,
        decision: Decision | None,
        publish: PublishResult | None,
    ) -> Report:
        standby = outcome is Outcome.STANDBY
        now = self._now()
        report = Report(
            outcome=outcome,
            at=started,
            seconds=(now.ms - started.ms) / 1000,
            plan=self.watch.plan,
            decision=decision,
            state=self._state,
            observations={} if standby else self._observations,
            publish=publish,
        )
        self._on_report(report)
        return report


class Loop:
    """Keeps the cadence: a cycle every interval, none overlapping, a missed tick skipped."""

    def __init__(
        self,
        cycle: Cycle,
        *,
        now: Callable[[], Instant],
        on_overrun: Callable[[int], None] = lambda _missed: None,
    ) -> None:
        self._cycle = cycle
        self._now = now
        self._on_overrun = on_overrun
        self._nudge = asyncio.Event()
        self._log = logs.get(__name__)

    def nudge(self) -> None:
        """Decide again now rather than at the next tick."""
        self._nudge.set()

    async def run(self) -> None:
        """Run until cancelled."""
        tick_ms = float(self._now().ms)
        while True:
            await self._cycle.evaluate()
            interval_ms = self._cycle.watch.interval * 1000
            tick_ms += interval_ms
            late_ms = self._now().ms - tick_ms
            if late_ms >= 0:
                missed = int(late_ms // interval_ms) + 1
                tick_ms += missed * interval_ms
                self._on_overrun(missed)
                self._log.warning("cycle overran its interval", skipped=missed)
            await self._rest_until(tick_ms)

    async def _rest_until(self, tick_ms: float) -> None:
        """Wait for the next tick; meanwhile decide again when an override comes, changes, ends."""
        while (left_ms := tick_ms - self._now().ms) > 0:
            ends = self._cycle.override_ends_ms
            if ends is not None:
                left_ms = min(left_ms, max(ends - self._now().ms, 1))
            try:
                async with asyncio.timeout(left_ms / 1000):
                    await self._nudge.wait()
            except TimeoutError:
                ends = self._cycle.override_ends_ms
                if ends is None or self._now().ms < ends:
                    continue
            self._nudge.clear()
            await self._cycle.redecide()
