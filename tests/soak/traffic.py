"""The load: reviews, writes of admitted runs, and an operator who makes room in etcd."""

import asyncio
import itertools
import ssl
import uuid
from dataclasses import dataclass, field

import aiohttp

from tests.rig.errors import RigError
from tests.rig.etcd_client import NoSpaceError
from tests.rig.reviews import ReviewRequest, admission_review, stored_object
from tests.rig.services import JumpyAdmitter
from tests.rig.webhook import ask
from tests.soak.chaos import Chaos
from tests.soak.model import Model
from tests.soak.stack import Stack
from tests.soak.timeline import Timeline

REVIEWS_PER_SECOND = 60
REVIEW_BYTES = 19_000
LOOK_SECONDS = 0.1
# A look that was under way while the answer was given counts for it.
JUDGE_AFTER_SECONDS = 1.5
# How long the operator looks at a denial before making room.
DENIED_SECONDS = 3.0
PREFIX = "/registry/tekton.dev/pipelineruns/soak/"


@dataclass(frozen=True, kw_only=True)
class Told:
    """One answer, waiting to be judged."""

    admitter: str
    allowed: bool
    sent: float
    received: float


@dataclass
class Traffic:
    """Everything that asks, writes, looks and makes room."""

    stack: Stack
    model: Model
    chaos: Chaos
    timeline: Timeline
    http: aiohttp.ClientSession
    denied_since: float | None = None
    nospace: bool = False
    rounds: int = 0
    _told: asyncio.Queue[Told] = field(default_factory=asyncio.Queue)

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

    async def make_room(self) -> None:
        """Delete, compact and defragment whenever admitters have denied for a while."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            since = self.denied_since
            if since is None or self.timeline.now - since < DENIED_SECONDS:
                continue
            try:
                await self._make_room()
            except RigError as error:
                self.timeline.tell(f"operator could not make room yet: {error!r}")
            self.denied_since = None

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
        received = self.timeline.now
        self._told.put_nowait(
            Told(admitter=admitter.name, allowed=answer.allowed, sent=sent, received=received)
        )
        self.timeline.answers["admitted" if answer.allowed else "denied"] += 1
        if answer.allowed:
            self.denied_since = None
            await self._store(number, stored_object(review))
        elif self.denied_since is None:
            self.denied_since = received

    def _unanswered(self, admitter: JumpyAdmitter, sent: float, error: RigError) -> None:
        self.timeline.answers["unanswered"] += 1
        if not self.chaos.excused(admitter, sent):
            self.timeline.blame(f"no answer although {admitter.name} was not touched: {error}")

    async def _store(self, number: int, run: bytes) -> None:
        try:
            await self.stack.etcd.client.put(f"{PREFIX}{number:07}", run)
        except NoSpaceError as error:
            if not self.nospace:
                self.nospace = True
                self.timeline.blame(f"etcd is full: {error}")
        except RigError:
            self.timeline.answers["lost writes"] += 1

    def _judge(self, told: Told) -> None:
        possible = self.model.possible(told.sent, told.received)
        if told.allowed not in possible:
            said = "admitted" if told.allowed else "denied"
            self.timeline.blame(
                f"{told.admitter} {said} a review of {told.sent:.1f} s, answered"
                f" {told.received:.1f} s, when only {_words(possible)} was possible"
            )

    async def _make_room(self) -> None:
        client = self.stack.etcd.client
        deleted = await client.delete_prefix(PREFIX)
        await client.compact()
        await client.defragment()
        self.rounds += 1
        self.timeline.tell(f"operator deleted {deleted} runs, compacted and defragmented")


def _words(possible: frozenset[bool]) -> str:
    return " or ".join("admitting" if bit else "denying" for bit in sorted(possible))
