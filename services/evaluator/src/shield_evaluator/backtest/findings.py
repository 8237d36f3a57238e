"""What a backtest found, as types; their JSON form is what ``--output json`` prints.

Times are UTC, spans are seconds, values are in their signal's unit. A span that lasts at the end of
the range has no end.
"""

from __future__ import annotations

from datetime import datetime

from msgspec import Struct


class Closing(Struct, frozen=True, kw_only=True):
    """A stretch in which one tier denied.

    Attributes:
        start: when it began to deny.
        end: when it admitted again; None if it still denied at the end.
        seconds: how long, up to the end of the range at most.
        reason: why, in the words of a denial.
        signal: the signal that closed it.
        peak: the value that came nearest to, or furthest beyond, its ``set`` while it was closed.
        peak_signal: whose value that is.
        peak_member: which etcd member had it.
        flap: it followed the last closing so soon that requesters saw the shield flap.
    """

    start: datetime
    end: datetime | None
    seconds: float
    reason: str
    signal: str | None
    peak: float | None
    peak_signal: str | None
    peak_member: str | None
    flap: bool


class Outage(Struct, frozen=True, kw_only=True):
    """A stretch in which etcd was at or above its quota, and refused every write.

    Attributes:
        start: the first sample at the quota.
        end: the first complete sample of every ratio signal below it.
        seconds: how long; while nothing is known it is taken to last.
        signal: the signal that said so first.
        member: the etcd member it said so of.
        peak: its highest value.
        began_before: it was there at the first step, so its start is unknown.
    """

    start: datetime
    end: datetime | None
    seconds: float
    signal: str
    member: str | None
    peak: float
    began_before: bool


class Exposure(Struct, frozen=True, kw_only=True):
    """How one tier met one outage.

    Attributes:
        lead_seconds: how long before the outage the tier had closed; None if it had not.
        open_seconds: how long it admitted during the outage.
        missed: it had not closed before, or admitted during it.
    """

    lead_seconds: float | None
    open_seconds: float
    missed: bool


class TierFindings(Struct, frozen=True, kw_only=True):
    """One tier over the whole range.

    Attributes:
        closings: every stretch of denying, oldest first.
        closed_seconds: all of them together.
        closed_share: the same as a share of the range.
        flaps: how many closings were flaps.
        exposures: one per outage of the report, in its order.
        outages_missed: how many of them were missed.
        open_at_quota_seconds: how long it admitted while etcd was full.
        runs_denied: runs that were created while it would have denied; None where they are not
            known, which are all tiers but the default one.
        runs_paced: runs that were created faster than room would have been handed out; the same.
    """

    closings: list[Closing]
    closed_seconds: float
    closed_share: float
    flaps: int
    exposures: list[Exposure]
    outages_missed: int
    open_at_quota_seconds: float
    runs_denied: int | None = None
    runs_paced: int | None = None


class SignalReport(Struct, frozen=True, kw_only=True):
    """One signal over the whole range.

    Attributes:
        unit: how its values read.
        highest: its highest value; None if it never had one.
        highest_at: when.
        highest_member: of which etcd member.
        missing_seconds: how long it was unusable.
        partial_seconds: how long some member's value was missing.
    """

    unit: str
    highest: float | None
    highest_at: datetime | None
    highest_member: str | None
    missing_seconds: float
    partial_seconds: float


class Gap(Struct, frozen=True, kw_only=True):
    """A stretch in which a signal said nothing, or not all.

    Attributes:
        signal: which.
        kind: ``missing`` or ``partial``.
        start: its first step.
        end: the first step after it; None if it lasts.
        seconds: how long.
        problem: what was wrong at its first step.
        treatment: what the latches made of it.
    """

    signal: str
    kind: str
    start: datetime
    end: datetime | None
    seconds: float
    problem: str
    treatment: str


class Report(Struct, frozen=True, kw_only=True):
    """What these thresholds would have done to these samples.

    Attributes:
        start: the first step.
        end: the last step.
        step_seconds: from one step to the next.
        steps: how many.
        signals: by name.
        tiers: by name.
        outages: every stretch at the quota.
        gaps: stretches without, or with partial, samples; the first `gaps.MAX_GAPS` of each signal.
        gaps_left_out: how many more there were.
    """

    start: datetime
    end: datetime
    step_seconds: float
    steps: int
    signals: dict[str, SignalReport]
    tiers: dict[str, TierFindings]
    outages: list[Outage]
    gaps: list[Gap]
    gaps_left_out: int
