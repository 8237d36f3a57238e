"""All that is known of one run of the demo; the flood and the observers write it, views read it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from tests.demo.agreement import Agreement, Bit
from tests.demo.holding.journal import Journal
from tests.demo.plan import DB_FILE, QUERIES, HoldingPlan, Plan


class Mood(Enum):
    """How an event is shown; the value is a rich style."""

    NEUTRAL = "default"
    GOOD = "green"
    BAD = "red"


@dataclass(frozen=True)
class Event:
    """Something worth a line, `at` seconds after the start."""

    at: float
    text: str
    mood: Mood


@dataclass
class SignalUsage:
    """A signal as a share of the quota.

    Attributes:
        now: What etcd itself says at this moment.
        seen: The evaluator's last observation, which is a scrape and a cycle old.
        peak: The highest `now`.
    """

    now: float | None = None
    seen: float | None = None
    peak: float = 0.0


@dataclass
class AdmitterTally:
    """One admitter as the demo sees it.

    Attributes:
        bit: What its `etcd_shield_allow` said last.
        admitted: Runs that it admitted.
        denied: Runs that it denied.
        paced: Runs that it asked to come back, because room is handed out.
        unanswered: Reviews without a valid answer.
        denied_at: When it first denied, in seconds after the start.
        readmitted_at: When it first admitted after that.
    """

    bit: Bit = None
    admitted: int = 0
    denied: int = 0
    paced: int = 0
    unanswered: int = 0
    denied_at: float | None = None
    readmitted_at: float | None = None

    def count(self, at: float, *, allowed: bool, paced: bool = False) -> None:
        """Count one verdict, given `at` seconds after the start."""
        if paced:
            self.paced += 1
            return
        if not allowed:
            self.denied += 1
            if self.denied_at is None:
                self.denied_at = at
            return
        self.admitted += 1
        if self.denied_at is not None and self.readmitted_at is None:
            self.readmitted_at = at


@dataclass
class Record:
    """One run of the demo.

    Attributes:
        plan: What was meant to happen.
        clock: Seconds that only go forward.
        signals: Usage by signal name.
        admitters: Tallies by admitter name; empty without the shield.
        agreement: Over the sampled bits.
        room: How many more runs have room, in the evaluator's words; None while it does not say.
        reserved: Bytes that admitted runs are still going to write.
        slots: How many more runs may be held; None while nothing is held.
        journal: What became of each run; None unless runs are held.
        waiting: Clients that wait for the re-opening.
        reason: Why the evaluator denies, in its words; empty while it admits.
        sequence: Of the evaluator's current decision.
        is_flooded: Whether the flood has begun; before that there is no state to show.
        written: Runs that etcd took.
        finished: Runs that have written everything.
        refused: Writes that etcd refused for want of space.
        lost_writes: Admitted runs that etcd did not take for another reason.
        nospace_at: When etcd was first seen to be full, in seconds after the start.
        unfinished: What the demo was still waiting for when its time was over.
        events: Everything worth a line, oldest first.
    """

    plan: Plan
    clock: Callable[[], float] = time.monotonic
    signals: dict[str, SignalUsage] = field(
        default_factory=lambda: {name: SignalUsage() for name in QUERIES}
    )
    admitters: dict[str, AdmitterTally] = field(default_factory=dict)
    agreement: Agreement = field(init=False)
    room: float | None = None
    reserved: float = 0.0
    slots: float | None = None
    journal: Journal | None = field(init=False, default=None)
    waiting: int = 0
    reason: str = ""
    sequence: int = 0
    is_flooded: bool = False
    written: int = 0
    finished: int = 0
    refused: int = 0
    lost_writes: int = 0
    nospace_at: float | None = None
    unfinished: str | None = None
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.agreement = Agreement(self.plan.agreement_window)
        if isinstance(self.plan, HoldingPlan):
            self.journal = Journal()
        self._started = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._started

    @property
    def left(self) -> float:
        """Seconds until the story has to end; negative afterwards."""
        return self.plan.seconds - self.elapsed

    @property
    def bits(self) -> list[Bit]:
        """The admitters' last bits, in their order."""
        return [tally.bit for tally in self.admitters.values()]

    @property
    def paced(self) -> int:
        """Runs that any admitter asked to come back."""
        return sum(tally.paced for tally in self.admitters.values())

    @property
    def admitted(self) -> int:
        """Runs that any admitter admitted."""
        return sum(tally.admitted for tally in self.admitters.values())

    @property
    def denied(self) -> int:
        """Runs that any admitter denied."""
        return sum(tally.denied for tally in self.admitters.values())

    def tell(self, text: str, mood: Mood = Mood.NEUTRAL) -> None:
        """Add an event that happens now."""
        self.events.append(Event(self.elapsed, text, mood))

    def use(self, name: str, share: float) -> None:
        """Note what etcd says of a signal now, as a share of its quota."""
        usage = self.signals[name]
        usage.now = share
        usage.peak = max(usage.peak, share)

    def note_nospace(self, words: str) -> None:
        """Note that etcd is full, in its words; only the first time is an event."""
        if self.nospace_at is None:
            self.nospace_at = self.elapsed
            peak = self.signals[DB_FILE].peak
            self.tell(f"etcd refuses every write at {peak:.0%} of its quota: {words}", Mood.BAD)
