"""The load of the act on room: reviews, and an operator who makes room in etcd."""

import asyncio
import itertools
import ssl
import uuid
from dataclasses import dataclass, field
from enum import Enum

import aiohttp

from tests.rig.errors import NoAnswerError, RigError
from tests.rig.services import JumpyAdmitter
from tests.rig.webhook import Answer, ask
from tests.soak.chaos import Chaos
from tests.soak.delays import Delays, within
from tests.soak.filling import LOOK_SECONDS, Filling, review_of
from tests.soak.model import ADMIT, DENY, Model
from tests.soak.room_model import RoomModel
from tests.soak.stack import Stack
from tests.soak.timeline import Timeline

REVIEWS_PER_SECOND = 60
# As long as the API server waits, by default, for a webhook.
ANSWER_SECONDS = 10.0
_NO_LIMIT = aiohttp.ClientTimeout(total=None)
# A look that was under way while the answer was given counts for it.
JUDGE_AFTER_SECONDS = 1.5
# How long the operator looks at a denial before acting.
DENIED_SECONDS = 2.0
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
    """Everything that asks and makes room."""

    stack: Stack
    model: Model
    room: RoomModel
    filling: Filling
    chaos: Chaos
    timeline: Timeline
    delays: Delays
    http: aiohttp.ClientSession
    denied_since: float | None = None
    closed_since: float | None = None
    _told: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)

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

    async def operate(self) -> None:
        """Once runs are held off, fill etcd with something else; once a latch is set, make room."""
        for number in itertools.count():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if self._for_long(self.denied_since):
                    await self.filling.make_room()
                    self.denied_since = self.closed_since = None
                elif self._needs_others():
                    await self.filling.write_others(number)
            except RigError as error:
                self.timeline.tell(f"operator could not act yet: {error!r}")

    def _needs_others(self) -> bool:
        """Whether a latch has to close yet, once runs have used up the room."""
        has_begun = self.room.others > 0 or self._for_long(self.closed_since)
        return has_begun and self.filling.is_below_latch

    def _for_long(self, since: float | None) -> bool:
        return since is not None and self.timeline.now - since >= DENIED_SECONDS

    def judge_rest(self) -> None:
        """Judge what still waits, at the end."""
        while not self._told.empty():
            self._judge(self._told.get_nowait())

    async def _one(self, admitter: JumpyAdmitter, number: int, trust: ssl.SSLContext) -> None:
        review = review_of(number, uid=str(uuid.uuid4()))
        sent = self.timeline.now
        try:
            answer = await self._answer(admitter, review, trust)
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
            await self.filling.begin(number)

    async def _answer(
        self, admitter: JumpyAdmitter, review: bytes, trust: ssl.SSLContext
    ) -> Answer:
        try:
            return await within(
                ask(self.http, admitter.url, review, trust, limit=_NO_LIMIT),
                ANSWER_SECONDS,
                lost=lambda: self.delays.lost(admitter.name),
            )
        except TimeoutError as error:
            raise NoAnswerError(f"no answer from {admitter.url} within {error}") from error

    def _note_closing(self, said: Said, at: float) -> None:
        """Note since when nothing is admitted, and since when because of a latch."""
        closed = said in {Said.NO_ROOM, Said.DENIED}
        if said is Said.ADMITTED:
            self.closed_since = self.denied_since = None
        elif closed and self.closed_since is None:
            self.closed_since = at
        if said is Said.DENIED and self.denied_since is None:
            self.denied_since = at

    def _unanswered(self, admitter: JumpyAdmitter, sent: float, error: RigError) -> None:
        self.timeline.answers["unanswered"] += 1
        if not self.chaos.excused(admitter, sent):
            self.timeline.blame(f"no answer although {admitter.name} was not touched: {error}")

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


def _said(answer: Answer) -> Said:
    if answer.allowed:
        return Said.ADMITTED
    if answer.paced:
        return Said.PACED
    return Said.NO_ROOM if NO_ROOM in answer.message else Said.DENIED


def _words(possible: frozenset[bool]) -> str:
    return " or ".join("admitting" if bit else "denying" for bit in sorted(possible))
