"""The command line of the soak."""

import asyncio
import secrets
import sys
from pathlib import Path

import click

from tests.rig.errors import RigError
from tests.soak.acts import ACTS
from tests.soak.timeline import Timeline


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--minutes", type=click.FloatRange(0.5, 120), default=5.0, show_default=True)
@click.option("--seed", type=int, help="Draws the faults; a random one unless given.")
@click.option(
    "--act",
    "acts",
    type=click.Choice(list(ACTS)),
    multiple=True,
    help="Play only this; by default both at the same time.",
)
@click.option("--report", type=click.Path(path_type=Path), help="Write the timeline there as well.")
def main(minutes: float, seed: int | None, acts: tuple[str, ...], report: Path | None) -> None:
    """Break everything at random under load, and hold every answer against a model.

    \b
    room     Reviews are sent all the time to three admitters, and what is admitted goes on writing
             to a real etcd for three seconds. When the shield has closed because nothing fits any
             more, something else fills etcd until a latch closes as well; then etcd is emptied.
    holding  Clients create runs through a real API server, which asks two admitters. Runs that may
             not start are held, and one of two controllers starts them later. In the end nothing
             may be held or lost.

    Meanwhile servers are killed, frozen and restarted, the API server and the controllers among
    them, Redis is flushed and clocks are set wrong.

    \b
    Exit status:
      0  no wrong answer, none missing without a reason, no run lost, etcd never full, never filled
         by runs above their target (but for a stated slack), the Decision object right, and the
         shield closed and opened at least once
      1  otherwise, or a server is missing or failed
    """
    seed = secrets.randbelow(100_000) if seed is None else seed
    lines: list[str] = []

    def show(line: str) -> None:
        lines.append(line)
        click.echo(line)

    timelines = {name: Timeline(name, show) for name in acts or ACTS}
    show(f"soak of {minutes:g} minutes, seed {seed}: {', '.join(timelines)}")
    try:
        asyncio.run(_play(timelines, seconds=minutes * 60, seed=seed))
    except* RigError as errors:
        for error in errors.exceptions:
            click.echo(f"soak: {error}", err=True)
        sys.exit(1)
    wrong = sum(len(timeline.wrong) for timeline in timelines.values())
    show(f"seed {seed}: {wrong} wrong")
    if report is not None:
        report.write_text("\n".join(lines) + "\n")
    sys.exit(1 if wrong else 0)


async def _play(timelines: dict[str, Timeline], *, seconds: float, seed: int) -> None:
    ready = asyncio.Barrier(len(timelines))
    async with asyncio.TaskGroup() as acts:
        for name, timeline in timelines.items():
            acts.create_task(ACTS[name](timeline, seconds, seed, ready))
