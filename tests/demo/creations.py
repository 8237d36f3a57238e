"""One creation as the API server does it: ask the webhook, and store only what it admits."""

import asyncio
import random
import ssl
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from tests.demo.plan import LEASE_KEY, RUNS_PREFIX
from tests.demo.record import Mood, Record
from tests.demo.runs import review_of, run_name
from tests.demo.writing import Writing
from tests.rig.errors import RigError
from tests.rig.etcd_client import EtcdClient, NoSpaceError
from tests.rig.reviews import stored_object
from tests.rig.services import Admitter
from tests.rig.webhook import Answer, ask

# Seconds after which a client tries again that was not told when.
_PATIENCE = 1.0


class Creations:
    """Creates runs, through the admitters round robin or, without any, straight into etcd.

    Args:
        record: Where the verdicts are counted.
        etcd: Where admitted runs are stored.
        http: A client for the webhook.
        admitters: The admitters; none means no admission.
        trust: What the admitters' certificates are checked with.
    """

    def __init__(
        self,
        *,
        record: Record,
        etcd: EtcdClient,
        http: aiohttp.ClientSession,
        admitters: Sequence[Admitter],
        trust: ssl.SSLContext,
    ) -> None:
        self._record = record
        self._etcd = etcd
        self._http = http
        self._admitters = admitters
        self._trust = trust
        self._has_warned = False
        plan = record.plan
        self._writing = Writing(
            self._write_step, writes=plan.writes_per_run, every=plan.write_every
        )

    async def create(self, number: int) -> None:
        """Create the run of that number, as far as it is admitted; it then goes on to write."""
        await self._try(number)

    async def create_patiently(self, number: int) -> None:
        """Create the run of that number, coming back as often as it takes, as clients do."""
        self._record.waiting += 1
        try:
            seconds = await self._try(number)
            while seconds is not None:
                await asyncio.sleep(seconds * random.uniform(0.5, 1.0))
                seconds = await self._try(number)
        finally:
            self._record.waiting -= 1

    async def write_on(self) -> None:
        """Write the further objects of admitted runs as they are due. Runs until cancelled."""
        await self._writing.run()

    async def _write_step(self, number: int, step: int) -> None:
        plan = self._record.plan
        review = review_of(number, plan.review_bytes)
        await self._store(number, stored_object(review), f"-step-{step:02}")
        self._record.finished += step == plan.writes_per_run

    async def _try(self, number: int) -> float | None:
        """Create a run; return after how many seconds to come back if it was not admitted."""
        review = review_of(number, self._record.plan.review_bytes)
        if self._admitters:
            admitter = self._admitters[number % len(self._admitters)]
            retry_after = await self._refusal(admitter, review)
            if retry_after is not None:
                return retry_after
        await self._store(number, stored_object(review))
        self._writing.begin(number)
        return None

    async def renew_lease(self) -> None:
        """Write what a node writes all the time, whatever is admitted."""
        with suppress(RigError):
            await self._etcd.put(LEASE_KEY, b"renewed")

    async def _refusal(self, admitter: Admitter, review: bytes) -> float | None:
        """Ask an admitter; return after how many seconds to come back, None if admitted."""
        tally = self._record.admitters[admitter.name]
        try:
            answer = await ask(self._http, admitter.url, review, self._trust)
        except RigError as error:
            if tally.unanswered == 0:
                self._record.tell(f"{admitter.name}: {error}", Mood.BAD)
            tally.unanswered += 1
            return _PATIENCE
        self._tell_firsts(admitter.name, answer)
        tally.count(self._record.elapsed, allowed=answer.allowed, paced=answer.paced)
        return None if answer.allowed else answer.retry_after_seconds or _PATIENCE

    def _tell_firsts(self, admitter: str, answer: Answer) -> None:
        for warning in answer.warnings:
            if not self._has_warned:
                self._has_warned = True
                self._record.tell(f"{admitter} admits with a warning: {warning}")
        if answer.paced and self._record.paced == 0:
            wait = f"(come back in {answer.retry_after_seconds} s)"
            self._record.tell(f"{admitter} paces: {answer.code} {answer.message} {wait}")
        elif not answer.allowed and not answer.paced and self._record.denied == 0:
            self._record.tell(f"{admitter} denies: {answer.code} {answer.message}", Mood.BAD)

    async def _store(self, number: int, run: bytes, suffix: str = "") -> None:
        await store(self._record, self._etcd, RUNS_PREFIX + run_name(number) + suffix, run)


async def store(record: Record, etcd: EtcdClient, key: str, content: bytes) -> None:
    """Store an object of a run in etcd, and count what comes of it."""
    try:
        await etcd.put(key, content)
    except NoSpaceError as error:
        record.refused += 1
        record.note_nospace(str(error))
    except RigError as error:
        # As when etcd is busy defragmenting: the API server would report a timeout.
        record.lost_writes += 1
        if record.lost_writes == 1:
            record.tell(f"etcd did not take a run: {error}")
    else:
        record.written += 1
