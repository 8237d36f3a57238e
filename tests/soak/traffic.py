"""The load: reviews, writes of admitted runs, and an operator who makes room in etcd."""

import asyncio
import itertools
import ssl
import uuid
from dataclasses import dataclass, field
from enum import Enum

import aiohttp

from tests.demo.writing import Writing
from tests.rig.errors import RigError
from tests.rig.etcd_client import NoSpaceError
from tests.rig.reviews import ReviewRequest, admission_review, stored_object
from tests.rig.services import JumpyAdmitter
from tests.rig.webhook import Answer, ask
from tests.soak.chaos import Chaos
from tests.soak.model import ADMIT, DENY, Model
from tests.soak.room_model import RoomModel
from tests.soak.stack import WRITE_EVERY, WRITES_PER_RUN, Stack
from tests.soak.timeline import Timeline

REVIEWS_PER_SECOND = 60
REVIEW_BYTES = 19_000
LOOK_SECONDS = 0.1
# A look that was under way while the answer was given counts for it.
JUDGE_AFTER_SECONDS = 1.5
# How long the operator looks at a denial before acting.
DENIED_SECONDS = 2.0
PREFIX = "/registry/tekton.dev/pipelineruns/soak/"
# What else fills etcd, once runs are held off: 256 KiB ten times a second.
OTHERS_PREFIX = "/registry/events/soak/"
OTHERS_BYTES = 256 * 1024
NO_ROOM = "etcd has no room"


class Said(Enum):
    """What an admitter said to one review."""

    ADMITTED = "admitted"
    PACED = "paced"
    NO_ROOM = "closed for lack of room"
    DENIED = "denied"


@dataclass(frozen=True, kw_only=True)
class Told:
    """One answer, waiting to be judged."""

    admitter: str
    said: Said
    sent: float
    received: float
    may_close: bool


@dataclass
class Traffic:
    """Everything that asks, writes, looks and makes room."""

    stack: Stack
    model: Model
    room: RoomModel
    chaos: Chaos
    timeline: Timeline
    http: aiohttp.ClientSession
    denied_since: float | None = None
    closed_since: float | None = None
    usage: float = 0.0
    over_target: float = 0.0
    nospace: bool = False
    rounds: int = 0
    _told: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)
    _writing: Writing = field(init=False)

    def __post_init__(self) -> None:
        self._writing = Writing(self._write_step, writes=WRITES_PER_RUN, every=WRITE_EVERY)

    async def look(self) -> None:
        """Look at etcd itself, until cancelled."""
        while True:
            try:
                status = await self.stack.etcd.client.status()
            except RigError:
                # etcd blocks while it defragments; the next look shows what came of it.
                await asyncio.sleep(LOOK_SECONDS)
                continue
            quota = self.stack.etcd.quota_bytes
            usage = (status.db_size / quota, status.db_size_in_use / quota)
            self.model.look(self.timeline.now, usage)
            self.usage = max(usage)
            self._look_above_target()
            await asyncio.sleep(LOOK_SECONDS)

    async def ask(self) -> None:
        """Send reviews round robin, until cancelled; a slow answer holds up no other review."""
        trust = self.stack.authority.client_context()
        async with asyncio.TaskGroup() as under_way:
            for number in itertools.count():
                admitter = self.stack.admitters[number % len(self.stack.admitters)]
                under_way.create_task(self._one(admitter, number, trust))
                await asyncio.sleep(1 / REVIEWS_PER_SECOND)

    async def judge(self) -> None:
        """Hold answers against the model, until cancelled."""
        while True:
            told = await self._told.get()
            await asyncio.sleep(max(0.0, told.received + JUDGE_AFTER_SECONDS - self.timeline.now))
            self._judge(told)

    async def write_on(self) -> None:
        """Write what admitted runs go on to write, until cancelled."""
        await self._writing.run()

    async def operate(self) -> None:
        """Once runs are held off, fill etcd with something else; once a latch is set, make room."""
        for number in itertools.count():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._for_long(self.denied_since):
                    await self._make_room()
                    self.denied_since = self.closed_since = None
                elif self._needs_others():
                    key = f"{OTHERS_PREFIX}{number:07}"
                    await self.stack.etcd.client.put(key, bytes(OTHERS_BYTES))
                    self.room.others += OTHERS_BYTES
            except RigError as error:
                self.timeline.tell(f"operator could not act yet: {error!r}")

    def _needs_others(self) -> bool:
        """Whether a latch has to close yet, once runs have used up the room.

        It must close a little above `set`, so nothing fills etcd further: no fault of the shield
        keeps others from writing.
        """
        bounds = self.model.bounds
        has_begun = self.room.others > 0 or self._for_long(self.closed_since)
        return has_begun and self.usage < bounds.set + 2 * bounds.tolerance

    def _for_long(self, since: float | None) -> bool:
        return since is not None and self.timeline.now - since >= DENIED_SECONDS

    def judge_rest(self) -> None:
        """Judge what still waits, at the end."""
        while not self._told.empty():
            self._judge(self._told.get_nowait())

    async def _one(self, admitter: JumpyAdmitter, number: int, trust: ssl.SSLContext) -> None:
        review = admission_review(
            ReviewRequest(
                uid=str(uuid.uuid4()), name=f"run-{number:07}", namespace="soak", size=REVIEW_BYTES
            )
        )
        sent = self.timeline.now
        try:
            answer = await ask(self.http, admitter.url, review, trust)
        except RigError as error:
            self._unanswered(admitter, sent, error)
            return
        received, said = self.timeline.now, _said(answer)
        self._told.put_nowait(
            Told(
                admitter=admitter.name,
                said=said,
                sent=sent,
                received=received,
                may_close=self.room.may_close(sent),
            )
        )
        self.timeline.answers[said.value] += 1
        self._note_closing(said, received)
        if said is Said.ADMITTED:
            self.room.left += 1 + WRITES_PER_RUN
            await self._store(f"{number:07}", stored_object(review))
            self._writing.begin(number)

    async def _write_step(self, number: int, step: int) -> None:
        review = admission_review(
            ReviewRequest(uid="step", name=f"run-{number:07}", namespace="soak", size=REVIEW_BYTES)
        )
        await self._store(f"{number:07}-step-{step}", stored_object(review))

    def _note_closing(self, said: Said, at: float) -> None:
        """Note since when nothing is admitted, and since when because of a latch."""
        closed = said in {Said.NO_ROOM, Said.DENIED}
        if said is Said.ADMITTED:
            self.closed_since = self.denied_since = None
        elif closed and self.closed_since is None:
            self.closed_since = at
        if said is Said.DENIED and self.denied_since is None:
            self.denied_since = at

    def _look_above_target(self) -> None:
        excess = self.room.look(self.timeline.now, self.usage) or 0.0
        if excess > 0 and self.over_target == 0:
            others = self.room.others / self.stack.etcd.quota_bytes
            self.timeline.blame(
                f"runs filled etcd to {self.usage - others:.1%}, {excess:.1%} above what is allowed"
            )
        self.over_target = excess

    def _unanswered(self, admitter: JumpyAdmitter, sent: float, error: RigError) -> None:
        self.timeline.answers["unanswered"] += 1
        if not self.chaos.excused(admitter, sent):
            self.timeline.blame(f"no answer although {admitter.name} was not touched: {error}")

    async def _store(self, name: str, run: bytes) -> None:
        try:
            await self.stack.etcd.client.put(PREFIX + name, run)
        except NoSpaceError as error:
            if not self.nospace:
                self.nospace = True
                self.timeline.blame(f"etcd is full: {error}")
        except RigError:
            self.timeline.answers["lost writes"] += 1
        finally:
            self.room.left -= 1

    def _judge(self, told: Told) -> None:
        possible = self.model.possible(told.sent, told.received)
        if told.said is Said.ADMITTED:
            right = ADMIT in possible
        elif told.said is Said.DENIED:
            right = DENY in possible
        elif told.said is Said.NO_ROOM:
            right = DENY in possible or told.may_close
        else:
            right = True
        if not right:
            self.timeline.blame(
                f"{told.admitter} {told.said.value}: a review of {told.sent:.1f} s, answered"
                f" {told.received:.1f} s, when only {_words(possible)} was possible"
            )

    async def _make_room(self) -> None:
        client = self.stack.etcd.client
        deleted = await client.delete_prefix(PREFIX) + await client.delete_prefix(OTHERS_PREFIX)
        if not deleted:  # the shield has not seen yet that there is room
            return
        await client.compact()
        await client.defragment()
        self.room.others = 0
        self.rounds += 1
        self.timeline.tell(f"operator deleted {deleted} objects, compacted and defragmented")


def _said(answer: Answer) -> Said:
    if answer.allowed:
        return Said.ADMITTED
    if answer.paced:
        return Said.PACED
    return Said.NO_ROOM if NO_ROOM in answer.message else Said.DENIED


def _words(possible: frozenset[bool]) -> str:
    return " or ".join("admitting" if bit else "denying" for bit in sorted(possible))
