"""The shield of a simulation: the evaluator's core and the admitters' bucket, without a network.

A cycle is the evaluator's own: observations, room, latches, decision. Admitters act on the decision
at once; in a cluster it takes milliseconds.
"""

from __future__ import annotations

import enum
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from shield_common.bucket import Bucket
from shield_evaluator.core import holding, room
from shield_evaluator.core.decide import Envelope, decide
from shield_evaluator.core.latch import advance
from shield_evaluator.core.observation import Observation, unusable
from shield_evaluator.core.plan import ColdStart
from shield_evaluator.core.state import Instant, LatchState, ShieldState, TierBit
from shield_evaluator.simulate.holding import HeldQueues

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from shield_common.decision import Decision
    from shield_evaluator.core.plan import Plan
    from shield_evaluator.simulate.clients import RunRequest
    from shield_evaluator.simulate.world import Watching

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MEMBER: Final = "etcd-0"


class Answer(enum.Enum):
    """The answer to one request."""

    ADMITTED = enum.auto()
    DENIED = enum.auto()
    PACED = enum.auto()
    HELD = enum.auto()


class Bit(enum.Enum):
    """What a decision says of a tier, and why."""

    ADMITTING = enum.auto()
    CLOSED_BY_LATCH = enum.auto()
    CLOSED_WITHOUT_ROOM = enum.auto()


class Shield:
    """One evaluator and its admitters.

    Attributes:
        admitted: runs admitted so far, by tier: the counters that admitters keep in Redis.
        held: the runs that wait; none unless the plan holds any.
    """

    def __init__(self, plan: Plan, watching: Watching, quota: int, chance: Random) -> None:
        self._plan = plan
        self._quotas = dict.fromkeys(plan.signals, float(quota))
        self._watching = watching
        self._chance = chance
        # Nothing else decided before the first cycle, so no tier waits to be decided.
        first = TierBit(plan.cold_start is ColdStart.RESET, _EPOCH)
        self._state = ShieldState(bits=dict.fromkeys(plan.tiers, first))
        self._decision: Decision | None = None
        self._now = Instant(0, _EPOCH)
        self._cycles = 0
        self._buckets: list[dict[str, Bucket]] = [{} for _ in range(watching.admitters)]
        self.admitted = dict.fromkeys(plan.tiers, 0)
        self.held = HeldQueues(plan.tiers, interval=watching.interval)
        self._slots = 0.0

    def evaluate(self, second: int, values: Mapping[str, float] | None) -> None:
        """Run one cycle of the evaluator, and give its decision to the admitters.

        Args:
            second: when; cycles come in order.
            values: signal -> value; None while there are no metrics.
        """
        plan = self._plan
        self._now = now = Instant(second * 1000, _EPOCH + timedelta(seconds=second))
        observations = {name: self._observe(name, values) for name in plan.signals}
        rooms = room.advance(
            plan,
            self._state.room,
            observations,
            quotas=self._quotas,
            totals=self.admitted,
            now_ms=now.ms,
        )
        learned = self.held.report(now.utc)
        held = holding.advance(plan, self._state.holding, observations, learned)
        self._state = advance(plan, self._state, observations, now, room=rooms, holding=held)
        self._cycles += 1
        interval_ms = self._watching.interval * 1000
        self._decision = decide(
            plan,
            self._state,
            observations,
            now=now,
            envelope=Envelope(
                cluster="simulated",
                epoch=1,
                sequence=self._cycles,
                ttl_ms=interval_ms,
                interval_ms=interval_ms,
                # The controller of held runs subscribes to decisions as well, and has a share.
                admitters=self._watching.admitters + (plan.max_held is not None),
            ),
        )
        self._fill(self._decision)
        left = [tier.hold.slots for tier in self._decision.tiers.values() if tier.hold is not None]
        self._slots = min(left, default=0.0)

    def answer(self, request: RunRequest) -> Answer:
        """Answer one request; a random admitter gets it. A run that is held joins `held`."""
        tier, decision = request.tier, self._decision
        bucket = self._chance.choice(self._buckets).get(tier)
        hold = None if decision is None else decision.tiers[tier].hold
        answer = Answer.ADMITTED
        if decision is not None and not decision.tiers[tier].allow:
            answer = Answer.DENIED
        elif (bucket is not None and not bucket.has_run) or (hold is not None and hold.held > 0):
            answer = Answer.PACED
        if answer is Answer.ADMITTED:
            if bucket is not None:
                bucket.take()
            self.admitted[tier] += 1
        elif hold is not None and not hold.full and self._slots >= 1:
            self._slots -= 1
            self.held.hold(request)
            return Answer.HELD
        return answer

    def release(self, second: int) -> list[RunRequest]:
        """Return the held runs that start after a cycle."""
        if self._decision is None:
            return []
        started = self.held.release(self._decision, second)
        for request in started:
            self.admitted[request.tier] += 1
        return started

    @property
    def reserved(self) -> float:
        """Bytes that all admitted runs are still going to write, as the shield counts them."""
        plan, rooms, now_ms = self._plan, self._state.room, self._now.ms
        return sum(
            room.reservation_of(plan, rooms, tier, now_ms=now_ms).reserved for tier in plan.tiers
        )

    def bit(self, tier: str) -> Bit:
        """Return what the last decision says of a tier."""
        if self._state.bits[tier].allow:
            return Bit.ADMITTING
        latches = (self._state.latches[tier, signal] for signal in self._plan.tiers[tier])
        if any(latch.state is LatchState.SET for latch in latches):
            return Bit.CLOSED_BY_LATCH
        closed = tier in room.closed_tiers(self._state.room)
        return Bit.CLOSED_WITHOUT_ROOM if closed else Bit.CLOSED_BY_LATCH

    def _observe(self, signal: str, values: Mapping[str, float] | None) -> Observation:
        if values is None:
            return unusable("no samples")
        members = self._plan.signals[signal].members or 1
        return Observation(values.get(signal, 0.0), _MEMBER, members)

    def _fill(self, decision: Decision) -> None:
        for admitter, buckets in enumerate(self._buckets):
            filled = {}
            for tier, entry in decision.tiers.items():
                if entry.share is None:
                    continue
                filled[tier] = buckets.get(tier) or Bucket()
                filled[tier].grant(decision, entry)
            self._buckets[admitter] = filled
