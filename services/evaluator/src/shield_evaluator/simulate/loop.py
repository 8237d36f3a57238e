"""Run etcd, its clients and the shield against each other, second by second."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Final

from shield_evaluator.backtest.report import FLAP_MS
from shield_evaluator.simulate.clients import RequestQueue
from shield_evaluator.simulate.etcd import Etcd
from shield_evaluator.simulate.outcome import Moment, Simulated, SimulationOutcome, TierOutcome
from shield_evaluator.simulate.shield import Answer, Bit, Shield

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_evaluator.core.plan import Plan
    from shield_evaluator.simulate.clients import RunRequest
    from shield_evaluator.simulate.readings import Reading
    from shield_evaluator.simulate.world import World

COURSE_SECONDS: Final = 30  # from one point of a course to the next; a picture shows no more
_FLAP_SECONDS: Final = FLAP_MS // 1000


def simulate(
    world: World, plan: Plan, readings: Mapping[str, Reading], *, shield: bool = True
) -> Simulated:
    """Simulate one configuration.

    Args:
        world: what happens.
        plan: the configuration; without ``shield`` only its default tier counts.
        readings: what each of the plan's signals reads of etcd.
        shield: False to admit everything.
    """
    return _Loop(world, plan, readings, shield=shield).run()


class _Loop:
    def __init__(
        self, world: World, plan: Plan, readings: Mapping[str, Reading], *, shield: bool
    ) -> None:
        tiers = world.tiers or {plan.default_tier: 1.0}
        chance = Random(world.seed)  # noqa: S311 - a simulation needs repeatable chance
        self._world = world
        self._plan = plan
        self._readings = readings
        self._etcd = Etcd(world.etcd, world.run)
        self._queue = RequestQueue(world.arrivals, world.clients, tiers, chance)
        watching = world.watching
        self._shield = Shield(plan, watching, world.etcd.quota, chance) if shield else None
        self._logs = {tier: _TierLog() for tier in tiers}
        self._values: dict[str, float] | None = None
        self._peaks = (0.0, 0.0)
        self._course: list[Moment] = []

    def run(self) -> Simulated:
        etcd, watching = self._etcd, self._world.watching
        outage = None
        for second in range(self._world.seconds):
            etcd.advance(second)
            file, in_use = self._shares()
            self._peaks = max(self._peaks[0], file), max(self._peaks[1], in_use)
            if second % watching.scrape == 0:
                self._scrape(second)
            if second % watching.interval == 0:
                self._cycle(second)
            if etcd.full:
                outage = second
            if second % COURSE_SECONDS == 0 or outage is not None:
                self._note(second)
            if outage is not None:
                break
            for request in self._queue.new(second):
                self._logs[request.tier].arrived += 1
                self._ask(request, second)
            for request in self._queue.returning(second):
                self._ask(request, second)
        return Simulated(self._outcome(outage), tuple(self._course))

    def _shares(self) -> tuple[float, float]:
        quota = self._world.etcd.quota
        return self._etcd.file / quota, self._etcd.in_use / quota

    def _scrape(self, second: int) -> None:
        quota = self._world.etcd.quota
        self._values = (
            {name: reading(self._etcd, quota) for name, reading in self._readings.items()}
            if self._world.watching.sees(second)
            else None
        )

    def _cycle(self, second: int) -> None:
        watching, shield = self._world.watching, self._shield
        if shield is not None:
            shield.evaluate(second, self._values if watching.sees(second) else None)
            for tier, log in self._logs.items():
                log.see(shield.bit(tier), second, watching.interval)
            for request in shield.release(second):
                self._etcd.release(second)
                self._logs[request.tier].late.append(second - request.arrived)

    def _note(self, second: int) -> None:
        shield = self._shield
        closed, reserved = False, 0.0
        if shield is not None:
            closed = shield.bit(self._plan.default_tier) is not Bit.ADMITTING
            reserved = shield.reserved
        file, in_use = self._shares()
        self._course.append(
            Moment(
                second=second,
                file=file,
                in_use=in_use,
                reserved=reserved / self._world.etcd.quota,
                arrived=sum(log.arrived for log in self._logs.values()),
                admitted=sum(len(log.late) for log in self._logs.values()),
                waiting=self._queue.waiting + sum(map(self._held, self._logs)),
                closed=closed,
            )
        )

    def _ask(self, request: RunRequest, second: int) -> None:
        log = self._logs[request.tier]
        shield = self._shield
        answer = Answer.ADMITTED if shield is None else shield.answer(request)
        if answer is Answer.ADMITTED:
            self._etcd.start(second)
            log.late.append(second - request.arrived)
            return
        if answer is Answer.HELD:
            self._etcd.hold()
            log.held += 1
            return
        log.refused[answer] += 1
        if not self._queue.refuse(request, second):
            log.lost += 1

    def _held(self, tier: str) -> int:
        return 0 if self._shield is None else self._shield.held.waiting(tier)

    def _outcome(self, outage: int | None) -> SimulationOutcome:
        waiting = self._queue.waiting_by_tier()
        waiting.update({tier: self._held(tier) for tier in self._logs})
        return SimulationOutcome(
            outage_seconds=outage,
            peak_file=self._peaks[0],
            peak_in_use=self._peaks[1],
            most_held=0 if self._shield is None else self._shield.held.most,
            tiers={tier: log.outcome(waiting.get(tier, 0)) for tier, log in self._logs.items()},
        )


class _TierLog:
    """What one tier's requesters meet, counted as it happens."""

    def __init__(self) -> None:
        self.arrived = 0
        self.lost = 0
        self.held = 0
        self.late: list[int] = []
        self.refused = {Answer.DENIED: 0, Answer.PACED: 0}
        self._closed_seconds = {Bit.CLOSED_BY_LATCH: 0, Bit.CLOSED_WITHOUT_ROOM: 0}
        self._closed = False
        self._opened: int | None = None
        self._closings = 0
        self._flaps = 0

    def see(self, bit: Bit, second: int, interval: int) -> None:
        closed = bit is not Bit.ADMITTING
        if closed:
            self._closed_seconds[bit] += interval
        if closed and not self._closed:
            self._closings += 1
            recently = self._opened is not None and second - self._opened < _FLAP_SECONDS
            self._flaps += recently
        elif self._closed and not closed:
            self._opened = second
        self._closed = closed

    def outcome(self, waiting: int) -> TierOutcome:
        late = sorted(self.late)
        return TierOutcome(
            arrived=self.arrived,
            admitted=len(late),
            lost=self.lost,
            held=self.held,
            waiting=waiting,
            denied=self.refused[Answer.DENIED],
            paced=self.refused[Answer.PACED],
            late_median_seconds=_percentile(late, 0.5),
            late_95_seconds=_percentile(late, 0.95),
            closed_by_latch_seconds=self._closed_seconds[Bit.CLOSED_BY_LATCH],
            closed_without_room_seconds=self._closed_seconds[Bit.CLOSED_WITHOUT_ROOM],
            closings=self._closings,
            flaps=self._flaps,
        )


def _percentile(ordered: list[int], share: float) -> float:
    return float(ordered[min(len(ordered) - 1, int(share * len(ordered)))]) if ordered else 0.0
