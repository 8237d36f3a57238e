"""The judgement over a finished record: what was to be shown, and whether it was."""

from dataclasses import dataclass

from tests.demo.plan import DB_FILE
from tests.demo.record import Record


@dataclass(frozen=True)
class Finding:
    """One thing that the demo promises to show.

    Attributes:
        promise: What should hold.
        holds: Whether it does.
        evidence: The figures behind that.
    """

    promise: str
    holds: bool
    evidence: str


def judge(record: Record, *, with_shield: bool, with_room: bool = True) -> list[Finding]:
    """Return the findings; the demo was a success if all of them hold."""
    if not with_shield:
        findings = _etcd_fills(record, "the same flood fills etcd (NOSPACE)")
    elif not with_room:
        findings = _etcd_fills(record, "latches alone act too late: etcd is full (NOSPACE)")
    else:
        findings = _with_room(record)
    return [*findings, *unfinished(record)]


def no_alarm(record: Record) -> Finding:
    """Return whether etcd stayed below its quota, as it must with room."""
    peak, nospace = record.signals[DB_FILE].peak, record.nospace_at
    return Finding(
        "etcd never raised NOSPACE",
        nospace is None and peak > 0,
        f"peak {peak:.1%} of the quota" if nospace is None else f"raised at {nospace:.1f} s",
    )


def unfinished(record: Record) -> list[Finding]:
    """Return what was missing at the end, if anything was."""
    if record.unfinished is None:
        return []
    return [Finding("the story ended in time", False, record.unfinished)]  # noqa: FBT003


def _etcd_fills(record: Record, promise: str) -> list[Finding]:
    evidence = "never"
    if record.nospace_at is not None:
        evidence = f"after {record.nospace_at:.1f} s, {record.refused} writes refused"
        first = min((t.denied_at for t in record.admitters.values() if t.denied_at), default=None)
        if first is not None:
            evidence += f", first denial at {first:.1f} s"
    return [Finding(promise, record.nospace_at is not None, evidence)]


def _with_room(record: Record) -> list[Finding]:
    tallies = record.admitters.values()
    agreement = record.agreement
    peak = record.signals[DB_FILE].peak
    unanswered = sum(tally.unanswered for tally in tallies)
    return [
        no_alarm(record),
        Finding(
            "etcd stayed below the latches",
            0 < peak < record.plan.deny_from,
            f"target {record.plan.target:.0%}, peak {peak:.1%}, set {record.plan.deny_from:.0%}",
        ),
        Finding(
            "runs were paced before etcd was full",
            record.paced > 0,
            f"{record.admitted} admitted, {record.paced} asked to come back, "
            f"{record.denied} denied",
        ),
        Finding(
            "every admitter denied",
            all(tally.denied_at is not None for tally in tallies),
            _first("first denial", [tally.denied_at for tally in tallies]),
        ),
        Finding(
            "every admitter admitted again",
            all(tally.readmitted_at is not None for tally in tallies),
            _first("first re-admission", [tally.readmitted_at for tally in tallies]),
        ),
        Finding(
            "the admitters agreed",
            agreement.holds,
            f"all bits read {agreement.rounds} times, {agreement.unequal_rounds} times unequal, "
            f"for at most {agreement.longest_difference * 1000:.0f} ms "
            f"({agreement.window * 1000:.0f} ms are allowed around a change)",
        ),
        Finding("every review was answered", unanswered == 0, f"{unanswered} unanswered"),
    ]


def _first(what: str, times: list[float | None]) -> str:
    known = [at for at in times if at is not None]
    return f"{what} at {min(known):.1f} s" if known else "never"
