"""The command line of the demo: options, what is printed, exit status."""

import asyncio
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console

from tests.demo.findings import Finding, judge
from tests.demo.holding.findings import judge_holding
from tests.demo.holding.story import HoldingStory
from tests.demo.installation import Installation, install, last_words, require_programs
from tests.demo.interruption import cancelled_by_signals
from tests.demo.keeping import keep
from tests.demo.plan import HoldingPlan, Plan
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
    "--hold",
    "with_holding",
    is_flag=True,
    help="Through an API server; runs that have to wait are held, and all of them start.",
)
@click.option(
    "--keep",
    "keep_up",
    is_flag=True,
    help="Leave everything up after the flood, and print how to talk to it; Ctrl-C ends it.",
)
@click.option(
    "--picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --hold: draw the course into this PNG file.",
)
@click.option("--plain", is_flag=True, help="Print lines, also on a terminal.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    help="End after this time, finished or not; a busy machine needs more.  "
    f"[default: {Plan.seconds:g}; with --hold {HoldingPlan.seconds:g}]",
)
def main(
    *,
    without_shield: bool,
    without_room: bool,
    with_holding: bool,
    keep_up: bool,
    picture: Path | None,
    plain: bool,
    seconds: float | None,
) -> None:
    """Fill a real etcd and watch the shield close and open again.

    Starts etcd with a 32 MiB quota, Prometheus, Redis, the evaluator and three admitters, all on
    loopback and in a temporary directory. PipelineRuns of 19 KB are created round robin through
    the admitters, and each that they admit goes on to write twelve more objects, as real runs do.
    Runs are let in until all that is left of etcd is reserved for those that are still writing.
    Then finished runs are pruned, and 200 waiting clients are let in as room is handed out.

    With --hold a real kube-apiserver stores the runs, a run that would be refused waits as a
    pending one, and the controller starts it once there is room. Nothing is lost then.

    It takes about a minute, and ends the story after --seconds at the latest; with --keep the
    servers stay after that.

    \b
    Exit status:
      0    etcd never raised NOSPACE nor reached the latches, runs were paced, every admitter
           denied and later admitted again, all admitters agreed and every review was answered;
           with --without-shield and --without-room: etcd raised NOSPACE, which is what they show;
           with --hold: etcd stayed at its target, and every run started, in order, and finished
      1    one of these did not hold, or a server is missing or failed
      130  ended by Ctrl-C before the end (143 by SIGTERM, 129 by SIGHUP)
    """
    if sum((without_shield, without_room, with_holding)) > 1:
        raise click.UsageError("--hold, --without-room and --without-shield exclude each other")
    if picture is not None and not with_holding:
        raise click.UsageError("--picture needs --hold")
    console = Console(highlight=False)
    plan = HoldingPlan() if with_holding else Plan()
    live = console.is_terminal and not console.is_dumb_terminal and not plain
    demo = Demo(
        record=Record(plan if seconds is None else replace(plan, seconds=seconds)),
        console=console,
        view=View.TABLE if live else View.LINES,
        with_shield=not without_shield,
        with_room=not without_room,
        keep_up=keep_up,
        picture=picture,
    )
    try:
        require_programs(with_shield=demo.with_shield, with_holding=with_holding)
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
        picture: The file into which the course of held runs is drawn; None draws nothing.
        success: Whether everything was shown that was promised; None before that is known.
    """

    record: Record
    console: Console
    view: View
    with_shield: bool
    with_room: bool
    keep_up: bool
    picture: Path | None = None
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
                        await self._play(rig, installation)
                except TimeoutError as error:
                    raise RigError(f"not done after {self.record.elapsed:.0f} s") from error
            findings = self._judge()
            self.success = all(finding.holds for finding in findings)
            self.console.print(summary(self.record, findings))
            if not self.success:
                self.console.print(last_words(installation), soft_wrap=True, markup=False)
            if self.keep_up:
                await keep(rig, installation, self.record, self.console)

    async def _play(self, rig: Rig, installation: Installation) -> None:
        plan, journal, cluster = self.record.plan, self.record.journal, installation.cluster
        if not isinstance(plan, HoldingPlan) or journal is None or cluster is None:
            await Story(rig, installation, self.record, with_room=self.with_room).play()
            return
        story = HoldingStory(
            installation=installation,
            cluster=cluster,
            record=self.record,
            journal=journal,
            plan=plan,
        )
        await story.play()
        if self.picture is not None and story.samples:
            from tests.demo.holding.picture import draw  # noqa: PLC0415 - loads matplotlib

            draw(self.picture, plan, story.samples)

    def _judge(self) -> list[Finding]:
        plan, journal = self.record.plan, self.record.journal
        if isinstance(plan, HoldingPlan) and journal is not None:
            return judge_holding(self.record, journal, plan)
        return judge(self.record, with_shield=self.with_shield, with_room=self.with_room)
