"""The command line of the soak."""

import asyncio
import secrets
import sys
from contextlib import suppress
from pathlib import Path

import aiohttp
import click

from tests.rig.errors import RigError
from tests.rig.lifetime import Rig
from tests.soak.chaos import Chaos
from tests.soak.faults import Draws, catalogue, draws
from tests.soak.model import Bounds, Model
from tests.soak.room_model import RoomBounds, RoomModel
from tests.soak.stack import (
    QUOTA_BYTES,
    RESET,
    SET,
    TARGET,
    WRITE_BYTES,
    Stack,
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
ROOM_BOUNDS = RoomBounds(
    quota=QUOTA_BYTES,
    target=TARGET,
    slack=SLACK,
    plenty=PLENTY,
    settle=SETTLE_SECONDS,
    forgets=SETTLE_SECONDS,
    write_bytes=WRITE_BYTES,
)
# Faults stop that long before the end, so that the last answers are given by a healthy shield.
CALM_END_SECONDS = 25.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(0.5, 120), default=5.0, show_default=True)
@click.option("--seed", type=int, help="Draws the faults; a random one unless given.")
@click.option("--report", type=click.Path(path_type=Path), help="Write the timeline there as well.")
def main(minutes: float, seed: int | None, report: Path | None) -> None:
    """Break everything at random under load, and hold every answer against a model.

    Starts a real etcd, Prometheus and Redis, two evaluators and three admitters. Reviews are sent
    all the time, and what is admitted goes on writing to etcd for three seconds. When the shield
    has closed because nothing fits any more, something else fills etcd until a latch closes as
    well; then etcd is emptied. Meanwhile servers are killed, frozen and restarted, Redis is flushed
    and clocks are set wrong.

    \b
    Exit status:
      0  no wrong answer, none missing without a reason, etcd never full, never filled by runs above
         their target (but for a stated slack), and the shield closed and opened at least once
      1  otherwise, or a server is missing or failed
    """
    seed = secrets.randbelow(100_000) if seed is None else seed
    timeline = Timeline(click.echo)
    timeline.tell(f"soak of {minutes:g} minutes, seed {seed}")
    try:
        rounds = asyncio.run(soak(timeline, seconds=minutes * 60, seed=seed))
    except RigError as error:
        click.echo(f"soak: {error}", err=True)
        sys.exit(1)
    if rounds == 0:
        timeline.blame("the shield never closed: the soak proved nothing")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(timeline.answers.items()))
    timeline.tell(f"seed {seed}: {counts}; closed and opened {rounds} times")
    timeline.tell(f"{len(timeline.wrong)} wrong")
    if report is not None:
        report.write_text("\n".join(timeline.lines) + "\n")
    sys.exit(1 if timeline.wrong else 0)


async def soak(timeline: Timeline, *, seconds: float, seed: int) -> int:
    """Run it and return how often the shield closed and opened again.

    Raises:
        RigError: A server is missing, or did not come back.
    """
    # Reviews that wait for a frozen admitter must not take the connections to the others.
    connections = aiohttp.TCPConnector(limit=0, limit_per_host=CONNECTIONS_PER_ADMITTER)
    async with (
        Rig("etcd-shield-soak-") as rig,
        aiohttp.ClientSession(connector=connections) as http,
    ):
        stack = await start(rig)
        bounds = Bounds(set=SET, reset=RESET, tolerance=TOLERANCE, settle=SETTLE_SECONDS)
        model, room = Model(bounds), RoomModel(ROOM_BOUNDS)
        chaos = Chaos(catalogue(stack), model, room, timeline, recovery=SETTLE_SECONDS)
        traffic = Traffic(stack, model, room, chaos, timeline, http)
        timeline.tell("everything is up; the faults begin")
        await _run(traffic, chaos, seconds=seconds, seed=seed, stack=stack)
        traffic.judge_rest()
        return traffic.rounds


async def _run(traffic: Traffic, chaos: Chaos, *, seconds: float, seed: int, stack: Stack) -> None:
    kinds = len(catalogue(stack))
    plans: list[Draws] = [draws(seed + stream, kinds) for stream in range(STREAMS)]
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            loads = (traffic.look, traffic.ask, traffic.judge, traffic.operate, traffic.write_on)
            for load in loads:
                group.create_task(load())
            until = chaos.timeline.now + seconds - CALM_END_SECONDS
            for plan in plans:
                group.create_task(chaos.run(plan, until=until))
