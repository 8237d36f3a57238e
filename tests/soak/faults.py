"""The faults: their victims, their durations, and their meaning for the model.

Each fault is a coroutine that breaks something, waits, and mends it; it returns when the victim is
ready again. Which ones run, when and for how long is drawn from one seeded generator.
"""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from tests.rig.server import Server
from tests.soak.stack import LEASE_SECONDS, Stack

# A clock that is set wrong by an hour, either way, decides everything that compares wall clocks.
CLOCK_JUMP_SECONDS = 3600

Act = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One way to break something.

    Attributes:
        name: What the timeline calls it.
        victims: Who may fail to answer meanwhile.
        act: Breaks something, waits for the given seconds, and mends it.
        forgets: Redis loses its data; together with a broken evaluator the latches may be lost.
        hurts_evaluator: The evaluator that remembers the latches may be away.
        blinds: Prometheus' samples of etcd may be missing or late.
    """

    name: str
    victims: Sequence[Server]
    act: Act
    forgets: bool = False
    hurts_evaluator: bool = False
    blinds: bool = False


def catalogue(stack: Stack) -> list[Fault]:
    """Return every fault, in a fixed order."""
    faults = [
        Fault(
            name="redis killed and empty afterwards",
            victims=[stack.redis],
            act=_killing(stack.redis),
            forgets=True,
        ),
        Fault(name="redis frozen", victims=[stack.redis], act=_freezing(stack.redis)),
        Fault(
            name="redis flushed",
            victims=[],
            act=_flushing(stack),
            forgets=True,
        ),
        Fault(
            name="prometheus killed",
            victims=[stack.prometheus],
            act=_restarting_prometheus(stack),
            blinds=True,
        ),
        Fault(
            name="prometheus frozen",
            victims=[stack.prometheus],
            act=_freezing(stack.prometheus),
            blinds=True,
        ),
    ]
    for evaluator in stack.evaluators:
        faults += [
            Fault(
                name=f"{evaluator.name} killed",
                victims=[evaluator],
                act=_killing(evaluator),
                hurts_evaluator=True,
            ),
            Fault(
                name=f"{evaluator.name} frozen past its lease",
                victims=[evaluator],
                act=_freezing(evaluator, at_least=2 * LEASE_SECONDS),
                hurts_evaluator=True,
            ),
            Fault(
                name=f"{evaluator.name} restarted",
                victims=[evaluator],
                act=_restarting(evaluator),
                hurts_evaluator=True,
            ),
        ]
    for admitter in stack.admitters:
        faults += [
            *faults_of(admitter),
            Fault(name=f"{admitter.name} restarted", victims=[admitter], act=_restarting(admitter)),
        ]
    clocks = {server.name: server.clock for server in stack.evaluators}
    clocks |= {server.name: server.clock for server in stack.admitters}
    for name, clock in clocks.items():
        faults += [
            Fault(
                name=f"clock of {name} set by {jump:+d} s",
                victims=[],
                act=_setting(clock.set, jump),
            )
            for jump in (CLOCK_JUMP_SECONDS, -CLOCK_JUMP_SECONDS)
        ]
    return faults


def faults_of(*servers: Server) -> list[Fault]:
    """Return the faults of further servers, in a fixed order."""
    return [
        fault
        for server in servers
        for fault in (
            Fault(name=f"{server.name} killed", victims=[server], act=_killing(server)),
            Fault(name=f"{server.name} frozen", victims=[server], act=_freezing(server)),
        )
    ]


@dataclass(frozen=True, kw_only=True)
class Draw:
    """One fault of the plan: how long to wait before it, and how long it lasts, in seconds."""

    pause: float
    lasts: float
    number: int


def draws(seed: int, kinds: int) -> "Draws":
    """Return the endless plan of a seed: every fault is a random one of `kinds`."""
    chance = random.Random(seed)
    return Draws(chance, (chance.randrange(kinds) for _ in itertools.count()))


def deck(seed: int, numbers: Sequence[int]) -> "Draws":
    """Return the endless plan of a seed: round after round of all faults, each in random order."""
    chance = random.Random(seed)
    shuffled = (chance.sample(numbers, len(numbers)) for _ in itertools.count())
    return Draws(chance, itertools.chain.from_iterable(shuffled))


class Draws:
    """Draws one fault after the other; the same seed gives the same plan."""

    def __init__(self, chance: random.Random, numbers: Iterator[int]) -> None:
        self._chance = chance
        self._numbers = numbers

    def next(self) -> Draw:
        """Draw the next fault."""
        # Some pauses are long enough for the shield to settle, some so short that faults overlap
        # with the recovery from the one before.
        return Draw(
            pause=self._chance.choice((0.2, 1.0, 3.0, 12.0)) * self._chance.uniform(0.7, 1.3),
            lasts=self._chance.choice((0.2, 1.0, 4.0, 8.0)) * self._chance.uniform(0.7, 1.3),
            number=next(self._numbers),
        )


def _killing(server: Server) -> Act:
    async def act(seconds: float) -> None:
        server.kill()
        await asyncio.sleep(seconds)
        await server.start()

    return act


def _restarting(server: Server) -> Act:
    async def act(seconds: float) -> None:
        await server.stop(within=15.0)
        await asyncio.sleep(seconds)
        await server.start()

    return act


def _restarting_prometheus(stack: Stack) -> Act:
    async def act(seconds: float) -> None:
        stack.prometheus.kill()
        await asyncio.sleep(seconds)
        await stack.prometheus.start()
        await stack.prometheus.wait_scraped()

    return act


def _freezing(server: Server, *, at_least: float = 0.0) -> Act:
    async def act(seconds: float) -> None:
        server.freeze()
        await asyncio.sleep(max(seconds, at_least))
        server.thaw()
        await server.wait_ready()

    return act


def _flushing(stack: Stack) -> Act:
    async def act(_seconds: float) -> None:
        async with Redis.from_url(stack.redis.url) as redis:
            await redis.flushall()

    return act


def _setting(set_clock: Callable[[int], None], jump: int) -> Act:
    async def act(seconds: float) -> None:
        set_clock(jump)
        await asyncio.sleep(seconds)
        set_clock(0)

    return act
