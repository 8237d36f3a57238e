"""``shield-controller queue``: the held runs in the order in which they start."""

from __future__ import annotations

import asyncio
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Final

import click
from msgspec import Struct
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shield_common.command_line import EXIT_BAD_CONFIG, EXIT_FAILED, echo_json
from shield_common.decision import DocumentError
from shield_common.held import HeldReport, decode_held_report
from shield_common.store.protocol import StoreError
from shield_common.store.redis import RedisStore
from shield_common.text import format_duration, printable
from shield_controller.cli.options import (
    config_option,
    context_option,
    fail,
    kubeconfig_option,
    load_settings,
    operator_client,
    read_decision,
)
from shield_controller.core.queue import Served, in_order, priorities_of, wait_seconds
from shield_controller.core.report import age_seconds
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import PipelineRuns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shield_common.decision import Decision
    from shield_controller.core.runs import HeldRun
    from shield_controller.settings import ControllerSettings

FILE_WIDTH: Final = 160  # of output that is not a terminal: no name is cut


class QueuedRun(Struct, frozen=True, kw_only=True):
    """One held run.

    Attributes:
        position: 1 for the first of all tiers.
        since: when the run was created.
        held_seconds: since then.
        wait_seconds: expected until it starts; None if that is not known.
    """

    position: int
    tier: str
    namespace: str
    name: str
    since: datetime
    held_seconds: float
    wait_seconds: float | None


@click.command()
@config_option
@kubeconfig_option
@context_option
@click.option("-n", "--namespace", help="Show the runs of this namespace only.")
@click.option(
    "--output",
    type=click.Choice(["table", "json"]),
    help="Table for people, JSON for programs.  [default: table on a terminal, json elsewhere]",
)
def queue(
    *,
    config: Path,
    kubeconfig: str | None,
    context: str | None,
    namespace: str | None,
    output: str | None,
) -> None:
    """Show the held runs in the order in which they start.

    For each run: tier, namespace, name, position, since when it is held, and how long it is still
    expected to wait at the rate of the last five minutes. The turns that namespaces had are known
    to the controller alone, so neighbours of one tier may start in another order.

    Reads the runs from the API server with your credentials, and the decision and the rate from
    Redis; without Redis, tiers are in the order of their names and nothing is expected.

    Exit codes: 0 shown, 1 the API server does not answer, 2 bad configuration or usage.
    """
    settings = load_settings(config)
    form = output or ("table" if sys.stdout.isatty() else "json")
    if namespace == "":
        fail("--namespace needs a name", EXIT_BAD_CONFIG)
    try:
        rows, problem = asyncio.run(_read(settings, kubeconfig, context))
    except KubernetesError as error:
        fail(f"the API server does not answer: {error}", EXIT_FAILED)
    shown = [row for row in rows if namespace in {None, row.namespace}]
    if form == "json":
        echo_json(shown)
        return
    console = Console(
        width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False, markup=False
    )
    if shown:
        console.print(_table(shown))
    console.print(Text(summary(shown, namespace, problem)))


async def _read(
    settings: ControllerSettings, kubeconfig: str | None, context: str | None
) -> tuple[list[QueuedRun], str | None]:
    client = operator_client(kubeconfig, context)
    try:
        runs, _ = await PipelineRuns(client).list_held()
        now = client.now
    finally:
        await client.close()
    cached, problem = await read_decision(settings)
    decision = None if cached is None else cached.decision
    report = await _read_report(settings)
    return queued(runs, decision, report, now=now), problem


async def _read_report(settings: ControllerSettings) -> HeldReport | None:
    store = RedisStore(settings.redis, cluster=settings.cluster)
    try:
        stored = await store.read_held_report()
        return None if stored is None else decode_held_report(stored.document)
    except (StoreError, DocumentError):
        return None
    finally:
        await store.close()


def queued(
    runs: Sequence[HeldRun],
    decision: Decision | None,
    report: HeldReport | None,
    *,
    now: datetime,
) -> list[QueuedRun]:
    """Return the rows.

    Args:
        runs: held runs in any order.
        decision: for the priorities of tiers, and whether they are open.
        report: for the rates of the last minutes.
        now: the API server's wall clock.
    """
    served = Served()
    served.update(runs)
    ordered = in_order(runs, served, priorities_of(decision))
    rows = []
    ahead: dict[str, int] = {}
    for position, run in enumerate(ordered, start=1):
        ahead[run.tier] = ahead.get(run.tier, 0) + 1
        rate = 0.0
        if report is not None and run.tier in report.tiers:
            rate = report.tiers[run.tier].released_per_minute
        rows.append(
            QueuedRun(
                position=position,
                tier=run.tier,
                namespace=run.namespace,
                name=run.name,
                since=run.created,
                held_seconds=age_seconds(run.created, now),
                wait_seconds=wait_seconds(ahead[run.tier], rate),
            )
        )
    return rows


def _table(rows: Sequence[QueuedRun]) -> Table:
    table = Table()
    for column in ("#", "tier", "namespace", "name", "held since (UTC)", "for", "starts in"):
        right = column in {"#", "for", "starts in"}
        table.add_column(column, justify="right" if right else "left", no_wrap=column == "#")
    for row in rows:
        wait = row.wait_seconds
        table.add_row(
            str(row.position),
            Text(printable(row.tier)),
            Text(printable(row.namespace)),
            Text(printable(row.name)),
            f"{row.since:%Y-%m-%d %H:%M:%S}",
            format_duration(row.held_seconds),
            "unknown" if wait is None else f"about {format_duration(wait)}",
        )
    return table


def summary(rows: Sequence[QueuedRun], namespace: str | None, problem: str | None) -> str:
    """Return the sentence below the table.

    Args:
        rows: what is shown.
        namespace: the only one that is shown; None if all are.
        problem: why there is no decision; None if there is one.
    """
    number = "No run is" if not rows else "1 run is" if len(rows) == 1 else f"{len(rows)} runs are"
    without = "" if problem is None else f" ({printable(problem)})"
    where = "" if namespace is None else f" in {printable(namespace)}"
    return f"{number} held{where}{without}."
