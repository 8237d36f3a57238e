"""The judgement over a finished record of `--hold`."""

from tests.demo.findings import Finding
from tests.demo.holding.journal import Journal
from tests.demo.plan import DB_FILE, HoldingPlan
from tests.demo.record import Record


def judge_holding(record: Record, journal: Journal, plan: HoldingPlan) -> list[Finding]:
    """Return the findings; the demo was a success if all of them hold."""
    peak = record.signals[DB_FILE].peak
    limit = plan.target + journal.most_held * plan.held_bytes / plan.quota_bytes
    nospace = record.nospace_at
    created, started = len(journal.created), len(journal.started)
    finished, overtaken = len(journal.finished), journal.overtaken()
    findings = [
        Finding(
            "etcd never raised NOSPACE",
            nospace is None and peak > 0,
            f"peak {peak:.1%} of the quota" if nospace is None else f"raised at {nospace:.1f} s",
        ),
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
    ]
    if record.unfinished is not None:
        findings.append(Finding("the story ended in time", False, record.unfinished))  # noqa: FBT003
    return findings
