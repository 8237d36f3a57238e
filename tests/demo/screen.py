"""How a record looks: rich renderables and plain lines, from data alone."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tests.demo.agreement import Bit
from tests.demo.findings import Finding
from tests.demo.holding.journal import Journal
from tests.demo.plan import HoldingPlan, Plan
from tests.demo.record import Event, Record
from tests.rig.etcd import MEBIBYTE

# With these the table fits a terminal of 80 columns.
_BAR_CELLS = 30


def live_screen(record: Record) -> RenderableType:
    """Return what a terminal shows while the demo runs."""
    parts: list[RenderableType] = [_usage_table(record)]
    if record.journal is not None:
        parts += [_runs_table(record.journal), _room_line(record), _decision_line(record)]
    elif record.admitters:
        parts += [_admitter_table(record), _room_line(record), _decision_line(record)]
    else:
        parts.append(Text(f"no admission: {record.written} runs written, {record.refused} refused"))
    title = f"etcd-shield demo, {record.elapsed:.0f} s"
    return Panel(Group(*parts), title=title, title_align="left", expand=False)


def opening(plan: Plan, *, with_shield: bool, with_room: bool = True) -> str:
    """Return what is about to happen, in one sentence."""
    quota = f"a real etcd with a quota of {plan.quota_bytes >> 20} MiB"
    if not with_shield:
        return f"etcd-shield demo: {quota} is flooded, and nothing stops the flood."
    if isinstance(plan, HoldingPlan):
        return (
            f"etcd-shield demo: {quota} is flooded through a real API server. Runs that do not "
            f"fit below {plan.target:.0%} of it are held, and start in order as soon as they do."
        )
    flood = f"etcd-shield demo: {quota} is flooded through {plan.admitters} admitters, which"
    if not with_room:
        return (
            f"{flood} deny from {plan.deny_from:.0%} of it, without counting what admitted runs "
            "are still going to write."
        )
    return (
        f"{flood} let in what fits below {plan.target:.0%} of it, counting what admitted runs are "
        "still going to write."
    )


def event_line(event: Event) -> Text:
    """Return an event as one line of any length, for a log."""
    return Text.assemble(_at(event), "  ", (event.text, event.mood.value))


def event_paragraph(event: Event) -> RenderableType:
    """Return an event wrapped beside its time, for a terminal."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(_at(event), Text(event.text, event.mood.value))
    return grid


def status_line(record: Record) -> str:
    """Return the state in one line, for a log."""
    parts = [f"{name} {_percent(usage.now)}" for name, usage in record.signals.items()]
    if record.admitters:
        bits = " ".join(_bit_word(bit) for bit in record.bits)
        parts += [
            f"reserved {record.reserved / MEBIBYTE:.1f} MiB",
            f"room {'-' if record.room is None else f'{record.room:.0f} runs'}",
            f"admitters {bits}",
            *(_journal_words(record.journal) if record.journal else _verdict_words(record)),
        ]
    else:
        parts += [f"written {record.written}", f"refused {record.refused}"]
    return f"{record.elapsed:6.1f} s  {' | '.join(parts)}"


def _verdict_words(record: Record) -> list[str]:
    return [
        f"admitted {record.admitted}",
        f"paced {record.paced}",
        f"denied {record.denied}",
        f"waiting {record.waiting}",
    ]


def _journal_words(journal: Journal) -> list[str]:
    return [f"{name} {number}" for name, number in journal.counts().items()]


def bits_in_words(record: Record) -> str:
    """Return every admitter's bit in one line."""
    words = (f"{name} {_bit_text(tally.bit).plain}" for name, tally in record.admitters.items())
    return ", ".join(words)


def summary(record: Record, findings: Sequence[Finding]) -> RenderableType:
    """Return the counts and the findings."""
    parts: list[RenderableType] = []
    if record.journal is not None:
        parts.append(_runs_table(record.journal))
    elif record.admitters:
        parts.append(_admitter_table(record))
    table = Table.grid(padding=(0, 2))
    for finding in findings:
        mark = Text("  ok", "green") if finding.holds else Text("  NO", "bold red")
        table.add_row(mark, finding.promise, Text(finding.evidence, "dim"))
    held = all(finding.holds for finding in findings)
    verdict = Text("As promised.", "green") if held else Text("Not as promised.", "bold red")
    parts += [Text(), table, Text(), verdict]
    return Group(*parts)


def usage_bar(share: float | None, plan: Plan, cells: int = _BAR_CELLS) -> Text:
    """Return a bar up to the quota, with marks at the thresholds.

    Args:
        share: Of the quota, 1.0 is full; None is not known.
        plan: Has the thresholds.
        cells: Its width.
    """
    filled = round(min(share or 0.0, 1.0) * cells)
    reset_cell, set_cell = (int(bound * cells) for bound in (plan.admit_below, plan.deny_from))
    bar = Text()
    for cell in range(cells):
        style = "green" if cell < reset_cell else "yellow" if cell < set_cell else "red"
        if cell == set_cell:
            bar.append("┃", "bold red")
        elif cell == reset_cell:
            bar.append("┃", "bold green")
        else:
            bar.append("█" if cell < filled else "░", style if cell < filled else "dim")
    return bar


def _usage_table(record: Record) -> Table:
    plan = record.plan
    table = Table(show_edge=False)
    table.add_column("signal")
    table.add_column(f"share of {plan.quota_bytes >> 20} MiB")
    for column in ("now", "seen", "reset", "set"):
        table.add_column(column, justify="right")
    for name, usage in record.signals.items():
        table.add_row(
            name,
            usage_bar(usage.now, plan),
            _percent(usage.now),
            _percent(usage.seen),
            _percent(plan.admit_below),
            _percent(plan.deny_from),
        )
    return table


def _admitter_table(record: Record) -> Table:
    table = Table(show_edge=False)
    table.add_column("admitter")
    table.add_column("its bit")
    for column in ("admitted", "paced", "denied", "first denial", "re-admission"):
        table.add_column(column, justify="right")
    for name, tally in record.admitters.items():
        table.add_row(
            name,
            _bit_text(tally.bit),
            str(tally.admitted),
            str(tally.paced),
            str(tally.denied),
            _seconds(tally.denied_at),
            _seconds(tally.readmitted_at),
        )
    return table


def _runs_table(journal: Journal) -> Table:
    counts = journal.counts()
    table = Table(show_edge=False)
    table.add_column("runs")
    for name in counts:
        table.add_column(name, justify="right")
    table.add_row("", *(str(number) for number in counts.values()))
    return table


def _room_line(record: Record) -> Text:
    reserved = f"{record.reserved / MEBIBYTE:.1f} MiB reserved"
    room = "room not known" if record.room is None else f"room for {record.room:.0f} more runs"
    if record.journal is not None:
        slots = "none" if record.slots is None else f"{record.slots:.0f} more"
        return Text(f"{room}, {reserved}, {slots} may be held")
    return Text(f"{room}, {reserved} for admitted runs, {record.waiting} clients wait")


def _decision_line(record: Record) -> Text:
    if record.reason:
        return Text(f"evaluator denies (decision {record.sequence}): {record.reason}", "red")
    return Text(f"evaluator admits (decision {record.sequence})", "green")


def _at(event: Event) -> Text:
    return Text(f"{event.at:6.1f} s", "dim")


def _bit_word(bit: Bit) -> str:
    return {True: "1", False: "0", None: "?"}[bit]


def _bit_text(bit: Bit) -> Text:
    if bit is None:
        return Text("? silent", "dim")
    return Text("1 admits", "green") if bit else Text("0 denies", "red")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _seconds(at: float | None) -> str:
    return "-" if at is None else f"{at:.1f} s"
