"""The judgement over a finished record of `--hold`."""

from tests.demo.findings import Finding, no_alarm, unfinished
from tests.demo.holding.journal import Journal
from tests.demo.plan import DB_FILE, HoldingPlan
from tests.demo.record import Record


def judge_holding(record: Record, journal: Journal, plan: HoldingPlan) -> list[Finding]:
    """Return the findings; the demo was a success if all of them hold."""
    peak = record.signals[DB_FILE].peak
    limit = plan.target + journal.most_held * plan.held_bytes / plan.quota_bytes
    created, started = len(journal.created), len(journal.started)
    finished, overtaken = len(journal.finished), journal.overtaken()
    return [
        no_alarm(record),
        Finding(
            "etcd stayed at its target",
            0 < peak <= limit,
            f"at most {limit:.1%} are allowed: the target of {plan.target:.0%}, and "
            f"{plan.held_bytes >> 10} KiB for each of {journal.most_held} runs held at a time",
        ),
        Finding(
            "no creation was refused",
            not journal.refused,
            f"{created} of {plan.runs} created, {len(journal.refused)} refused",
        ),
        Finding("runs were held", journal.held > 0, f"{journal.held} of {created}"),
        Finding(
            "no run was lost",
            plan.runs == started == finished,
            f"{started} started, {finished} finished",
        ),
        Finding(
            "held runs started in the order of their creation",
            overtaken == 0,
            f"{len(journal.released)} released, {overtaken} overtaken by a younger one",
        ),
        Finding("nothing is held at the end", journal.waiting == 0, f"{journal.waiting} held"),
        *unfinished(record),
    ]
