"""What a correct shield may do with each run, and with the Decision object; without I/O or clock.

Theory of operation
===================

A run is created, perhaps held, and started; the model knows no other life. Each step is held
against what was possible at the time (`tests.soak.model`, `tests.soak.room_model`):

- Started while the tier could only deny: wrong. A release comes about up to `delay` seconds after
  it was decided, or after what is in its way is mended, so all of that span counts.
- Held although the tier could only admit, there was plenty of room and no queue: wrong.
- Held without our label and reason, back to pending after its start, or changed twice: wrong.
- Refused while everything works: wrong, because runs are held instead.
- Not started in the end although its creator was told that it exists: lost.

The Decision object may show a bit that was possible at any time of the last `delay` seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from shield_common.held import HELD_LABEL, PENDING_STATUS, REASON_ANNOTATION
from tests.rig.kubernetes_api import Object
from tests.soak.model import ADMIT, DENY, Model
from tests.soak.room_model import RoomModel

TIER = "standard"
# Of a run that starts at once, and of one that is held and then released; more is another change.
MOST_GENERATIONS = 2


@dataclass(frozen=True, kw_only=True)
class RunState:
    """A run as the API server shows it.

    Attributes:
        name: Its name.
        uid: Its identity.
        generation: The API server counts it up with every change of `spec`.
        is_pending: Whether it waits for its start.
        is_marked: Whether it has our label and a reason.
    """

    name: str
    uid: str
    generation: int
    is_pending: bool
    is_marked: bool

    @classmethod
    def of(cls, run: Object) -> "RunState":
        """Read it from an object."""
        metadata = run["metadata"]
        return cls(
            name=metadata["name"],
            uid=metadata["uid"],
            generation=metadata["generation"],
            is_pending=PENDING_STATUS == run["spec"].get("status"),
            is_marked=TIER == metadata.get("labels", {}).get(HELD_LABEL)
            and bool(metadata.get("annotations", {}).get(REASON_ANNOTATION)),
        )


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a state of a run means.

    Attributes:
        starts: The run starts with it.
        was_held: It was held before.
        wrong: What is wrong with it, in sentences.
    """

    starts: bool = False
    was_held: bool = False
    wrong: Sequence[str] = ()


@dataclass(kw_only=True)
class Runs:
    """Follows every run; times are seconds of one monotonic clock.

    Attributes:
        model: Which bits were possible.
        room: Whether there was room.
        delay: Seconds in which a healthy shield makes of a decision what follows from it.
        answered: Names of runs whose creator was told that they exist.
        waiting: Names of runs that are pending now.
        started: Names of runs that have started.
        released: How many of these were held before.
    """

    model: Model
    room: RoomModel
    delay: float
    answered: set[str] = field(default_factory=set)
    waiting: set[str] = field(default_factory=set)
    started: set[str] = field(default_factory=set)
    released: int = 0
    _uids: dict[str, str] = field(default_factory=dict)
    _empty_since: float = float("-inf")

    def create(self, state: RunState, *, sent: float, received: float) -> list[str]:
        """Note what a creator was told; return what is wrong with it."""
        self.answered.add(state.name)
        possible = self.model.possible(sent, received)
        if not state.is_pending:
            closed = ADMIT not in possible
            return [f"{state.name} started at once while only denying was possible"] * closed
        wrong = [] if state.is_marked else [f"{state.name} is pending without label and reason"]
        if DENY not in possible and not self._may_hold(sent):
            wrong.append(f"{state.name} was held although there was room and no queue")
        return wrong

    def see(self, state: RunState, at: float) -> Seen:
        """Note a state of a run."""
        name = state.name
        wrong = []
        if state.uid != self._uids.setdefault(name, state.uid):
            wrong.append(f"{name} is another run than before")
        if state.generation > MOST_GENERATIONS:
            wrong.append(f"{name} was changed {state.generation - 1} times")
        if state.is_pending:
            if name in self.started:
                wrong.append(f"{name} went back to pending after its start")
            else:
                self.waiting.add(name)
            return Seen(wrong=wrong)
        if name in self.started:
            return Seen(wrong=wrong)
        self.started.add(name)
        if name not in self.waiting:
            return Seen(starts=True, wrong=wrong)
        self.waiting.remove(name)
        self.released += 1
        if not self.waiting:
            self._empty_since = at
        return Seen(starts=True, was_held=True, wrong=wrong)

    def may_release(self, since: float, at: float) -> bool:
        """Return whether a release between `since` and `at` may be right."""
        return ADMIT in self.model.possible(since - self.delay, at)

    def may_refuse(self, sent: float) -> bool:
        """Return whether a correct shield may refuse a creation that was sent then."""
        return self.model.is_disturbed(sent)

    def may_show(self, since: float, at: float, *, allow: bool) -> bool:
        """Return whether the Decision object may have a bit.

        Args:
            since: Since when the object may be out of date, apart from `delay`.
            at: When it was read.
            allow: The bit.
        """
        possible = self.model.possible(since - self.delay, at)
        return allow in possible or (not allow and self.room.may_close(since - self.delay))

    def judge_rest(self, states: Sequence[RunState]) -> list[str]:
        """Return what is wrong in the end, when nothing may wait any more."""
        present = {state.name for state in states}
        wrong = [f"{name} was created and is gone" for name in sorted(self.answered - present)]
        wrong += [f"{state.name} is still held" for state in states if state.is_pending]
        lost = self.answered & present - self.started - self.waiting
        return wrong + [f"{name} was created and never seen to start" for name in sorted(lost)]

    def _may_hold(self, sent: float) -> bool:
        settle = self.model.bounds.settle
        had_queue = bool(self.waiting) or sent - self._empty_since < settle
        return had_queue or self.room.may_close(sent) or self.model.is_disturbed(sent)
