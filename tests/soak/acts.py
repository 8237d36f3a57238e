"""The acts of the soak, which may play at the same time: each has servers and models of its own."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp

from tests.rig.errors import NotInTimeError
from tests.rig.lifetime import Rig
from tests.rig.waiting import wait_until
from tests.soak.chaos import Chaos
from tests.soak.delays import Delays
from tests.soak.faults import Draws, catalogue, deck, draws, faults_of
from tests.soak.filling import Filling
from tests.soak.holding.cluster import Cluster
from tests.soak.holding.operator import Operator
from tests.soak.holding.runs import Runs
from tests.soak.holding.stack import PLAN as HOLDING_PLAN
from tests.soak.holding.stack import start_holding
from tests.soak.model import Bounds, Model
from tests.soak.room_model import RoomBounds, RoomModel
from tests.soak.stack import (
    GROWS_OVER_SECONDS,
    LAG_SECONDS,
    RESET,
    ROOM_PLAN,
    SET,
    TARGET,
    WRITE_BYTES,
    start,
)
from tests.soak.timeline import Timeline
from tests.soak.traffic import Traffic

# A scrape and a cycle take a second each; the rest is for two busy cores.
SETTLE_SECONDS = 10.0
# What the flood may add to etcd between two looks, and what a look may miss of a spike.
TOLERANCE = 0.03
# By how much runs may exceed the target, as a share of the quota: 26 runs. Counts of a quarter of a
# second that died with an admitter, a run of each admitter, one interval's shares.
SLACK = 0.06
# Of the quota below the target: 120 runs of 180.
PLENTY = 0.3
STREAMS = 2
CONNECTIONS_PER_ADMITTER = 40
BOUNDS = Bounds(set=SET, reset=RESET, tolerance=TOLERANCE, settle=SETTLE_SECONDS)
# A count of 250 ms, a cycle, a look at the evaluator, and two busy cores.
COUNTED_SECONDS = 3.0
# Half a second of the flood.
UNSEEN_RUNS = 30
ROOM_BOUNDS = RoomBounds(
    quota=ROOM_PLAN.quota_bytes,
    target=TARGET,
    slack=SLACK,
    plenty=PLENTY,
    settle=SETTLE_SECONDS,
    forgets=SETTLE_SECONDS,
    write_bytes=WRITE_BYTES,
    lasts=LAG_SECONDS + GROWS_OVER_SECONDS,
    counted=COUNTED_SECONDS,
    unseen=UNSEEN_RUNS,
)
# Faults stop this long before the end, so that the last answers are given by a healthy shield.
CALM_END_SECONDS = 25.0
# Creations stop this long before the end, so that all that is held can start.
NO_MORE_RUNS_SECONDS = 20.0
# For a queue of some hundred runs, however slowly they are released, and two busy cores.
EMPTY_SECONDS = 180.0
# An interval of each service, and the mirror's own retry of 5 s.
DELAY_SECONDS = 8.0

Act = Callable[[Timeline, float, int, asyncio.Barrier], Coroutine[Any, Any, None]]
Load = Callable[[], Coroutine[Any, Any, None]]


async def play_room(timeline: Timeline, seconds: float, seed: int, ready: asyncio.Barrier) -> None:
    """Play the act on latches, room and counting.

    Args:
        timeline: Where everything is written.
        seconds: For how long.
        seed: Draws the faults.
        ready: Where acts wait for each other's servers: their start would take the load's CPU.

    Raises:
        RigError: A server is missing, or did not come back.
    """
    # Reviews that wait for a frozen admitter must not take the connections to the others.
    connections = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_ADMITTER)
    async with (
        Rig("etcd-shield-soak-") as rig,
        aiohttp.ClientSession(connector=connections) as http,
    ):
        stack = await start(rig, ROOM_PLAN)
        model, room = Model(BOUNDS), RoomModel(ROOM_BOUNDS)
        chaos = Chaos(catalogue(stack), model, room, timeline, recovery=SETTLE_SECONDS)
        filling = Filling(stack, model, room, timeline)
        delays = Delays()
        traffic = Traffic(stack, model, room, filling, chaos, timeline, delays, http)
        loads = (
            partial(delays.measure, stack.admitters),
            filling.look,
            filling.observe,
            filling.write_on,
            traffic.ask,
            traffic.judge,
            traffic.operate,
        )
        await ready.wait()
        timeline.tell("everything is up; the faults begin")
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
                plans = [draws(seed + stream, len(chaos.faults)) for stream in range(STREAMS)]
                _start(group, loads, chaos, plans, seconds)
        traffic.judge_rest()
        lost = ", ".join(f"{delays.lost(a.name):.0f} s of {a.name}" for a in stack.admitters)
        timeline.tell(f"the machine, or the soak itself, took {lost}")
        _close(timeline, rounds=filling.rounds)


async def play_holding(
    timeline: Timeline, seconds: float, seed: int, ready: asyncio.Barrier
) -> None:
    """Play the act on held runs, the controller and the Decision object.

    It ends once every held run has started, which is a little after `seconds`.

    Args:
        timeline: Where everything is written.
        seconds: For how long.
        seed: Draws the faults.
        ready: Where acts wait for each other's servers: their start would take the load's CPU.

    Raises:
        RigError: A server is missing, or did not come back.
    """
    async with Rig("etcd-shield-soak-") as rig:
        stack = await start_holding(rig)
        model = Model(BOUNDS)
        room = RoomModel(replace(ROOM_BOUNDS, quota=HOLDING_PLAN.quota_bytes))
        releasing, shield = faults_of(*stack.releasing), catalogue(stack.shield)
        faults = [*releasing, *shield]
        chaos = Chaos(faults, model, room, timeline, recovery=SETTLE_SECONDS)
        filling = Filling(stack.shield, model, room, timeline)
        runs = Runs(model=model, room=room, delay=DELAY_SECONDS)
        cluster = Cluster(stack, runs, filling, chaos, timeline)
        operator = Operator(filling, runs, timeline, closed_seconds=SETTLE_SECONDS)
        loads = (
            filling.look, filling.observe, filling.write_on, cluster.create, cluster.start_runs,
            cluster.observe, operator.operate,
        )  # fmt: skip
        await ready.wait()
        timeline.tell("everything is up; the faults begin")
        async with asyncio.TaskGroup() as group:
            # What releases runs is broken as often as all the rest.
            plans = [
                deck(seed, range(len(releasing))),
                deck(seed, range(len(releasing), len(faults))),
            ]
            tasks = _start(group, loads, chaos, plans, seconds)
            await asyncio.sleep(seconds - NO_MORE_RUNS_SECONDS)
            cluster.is_creating = operator.may_close = False
            timeline.tell(f"no more runs are created; {len(runs.waiting)} are held")
            try:
                await wait_until(
                    lambda: cluster.is_idle, within=EMPTY_SECONDS, what="every run to start"
                )
            except NotInTimeError as error:
                timeline.blame(str(error))
            for task in tasks:
                task.cancel()
        for wrong in runs.judge_rest(await cluster.finish()):
            timeline.blame(wrong)
        await stack.balancer.stop()
        counts = f"{len(runs.started)} of {len(runs.answered)} started, {runs.released} released"
        timeline.tell(counts)
        _close(timeline, rounds=min(operator.rounds, runs.released))


ACTS: Mapping[str, Act] = {"room": play_room, "holding": play_holding}


def _start(
    group: asyncio.TaskGroup,
    loads: Sequence[Load],
    chaos: Chaos,
    plans: Sequence[Draws],
    seconds: float,
) -> list[asyncio.Task[None]]:
    until = chaos.timeline.now + seconds - CALM_END_SECONDS
    tasks = [group.create_task(load()) for load in loads]
    for plan in plans:
        group.create_task(chaos.run(plan, until=until))
    return tasks


def _close(timeline: Timeline, *, rounds: int) -> None:
    if rounds == 0:
        timeline.blame("the shield never closed and opened: this act proved nothing")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(timeline.answers.items()))
    timeline.tell(f"{counts}; closed and opened {rounds} times; {len(timeline.wrong)} wrong")
