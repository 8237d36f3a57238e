"""The command line of the demo: options, what is printed, exit status."""

import asyncio
import sys
from dataclasses import dataclass

import click
from rich.console import Console

from tests.demo.findings import judge
from tests.demo.installation import install, last_words, require_programs
from tests.demo.interruption import cancelled_by_signals
from tests.demo.keeping import keep
from tests.demo.plan import Plan
from tests.demo.record import Record
from tests.demo.screen import opening, summary
from tests.demo.story import Story
from tests.demo.views import View, shown
from tests.rig.errors import RigError
from tests.rig.lifetime import Rig

# What a shell reports for a program that a signal ended, plus the signal's number.
_SIGNAL_STATUS = 128
# The story ends itself at its deadline; this bounds what it cannot: a server that hangs.
_GRACE_SECONDS = 2.0


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--without-shield",
    is_flag=True,
    help="The same flood without admission: etcd reaches its quota. Exits 0 when it did.",
)
@click.option(
    "--without-room",
    is_flag=True,
    help="A shield that only looks at what etcd holds: etcd gets full. Exits 0 when it did.",
)
@click.option(
    "--keep",
    "keep_up",
    is_flag=True,
    help="Leave everything up after the flood, and print how to talk to it; Ctrl-C ends it.",
)
@click.option("--plain", is_flag=True, help="Print lines, also on a terminal.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=Plan.seconds,
    show_default=True,
    help="End after this time, finished or not; a busy machine needs more.",
)
def main(
    *, without_shield: bool, without_room: bool, keep_up: bool, plain: bool, seconds: float
) -> None:
    """Fill a real etcd and watch the shield close and open again.

    Starts etcd with a 32 MiB quota, Prometheus, Redis, the evaluator and three admitters, all on
    loopback and in a temporary directory. PipelineRuns of 19 KB are created round robin through
    the admitters, and each that they admit goes on to write twelve more objects, as real runs do.
    Runs are let in until all that is left of etcd is reserved for those that are still writing.
    Then finished runs are pruned, and 200 waiting clients are let in as room is handed out.

    It takes about a minute, and ends the story after --seconds at the latest; with --keep the
    servers stay after that.

    \b
    Exit status:
      0    etcd never raised NOSPACE nor reached the latches, runs were paced, every admitter
           denied and later admitted again, all admitters agreed and every review was answered;
           with --without-shield and --without-room: etcd raised NOSPACE, which is what they show
      1    one of these did not hold, or a server is missing or failed
      130  ended by Ctrl-C before the end (143 by SIGTERM, 129 by SIGHUP)
    """
    console = Console(highlight=False)
    live = console.is_terminal and not console.is_dumb_terminal and not plain
    demo = Demo(
        record=Record(Plan(seconds=seconds)),
        console=console,
        view=View.TABLE if live else View.LINES,
        with_shield=not without_shield,
        with_room=not without_room,
        keep_up=keep_up,
    )
    try:
        require_programs(with_shield=demo.with_shield)
        status = asyncio.run(demo.run())
    except RigError as error:
        click.echo(f"demo: {error}", err=True)
        status = 1
    sys.exit(status)


@dataclass(kw_only=True)
class Demo:
    """One run of the demo.

    Attributes:
        record: Where everything is written.
        console: Where it is shown.
        view: How it is shown.
        with_shield: Whether the shield admits runs, or all are written.
        with_room: Whether the shield counts what admitted runs are still going to write.
        keep_up: Whether everything stays up after the flood.
        success: Whether everything was shown that was promised; None before that is known.
    """

    record: Record
    console: Console
    view: View
    with_shield: bool
    with_room: bool
    keep_up: bool
    success: bool | None = None

    async def run(self) -> int:
        """Run it and return the exit status.

        Raises:
            RigError: A server did not start, or ended.
        """
        with cancelled_by_signals() as interruption:
            try:
                await self._run()
            except asyncio.CancelledError:
                if interruption.signal is None:
                    raise
                self.console.print(f"Ended by {interruption.signal.name}; nothing is left behind.")
                if self.success is None:
                    return _SIGNAL_STATUS + interruption.signal
        return 0 if self.success else 1

    async def _run(self) -> None:
        self.console.print(
            opening(self.record.plan, with_shield=self.with_shield, with_room=self.with_room)
        )
        async with Rig("etcd-shield-demo-") as rig:
            async with shown(self.record, self.console, self.view):
                try:
                    async with asyncio.timeout(self.record.left + _GRACE_SECONDS):
                        installation = await install(
                            rig,
                            self.record,
                            with_shield=self.with_shield,
                            with_room=self.with_room,
                        )
                        await Story(rig, installation, self.record, with_room=self.with_room).play()
                except TimeoutError as error:
                    raise RigError(f"not done after {self.record.elapsed:.0f} s") from error
            findings = judge(self.record, with_shield=self.with_shield, with_room=self.with_room)
            self.success = all(finding.holds for finding in findings)
            self.console.print(summary(self.record, findings))
            if not self.success:
                self.console.print(last_words(installation), soft_wrap=True, markup=False)
            if self.keep_up:
                await keep(rig, installation, self.record, self.console)
