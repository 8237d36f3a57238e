"""One creation as the API server does it: ask the webhook, and store only what it admits."""

import ssl
from collections.abc import Sequence
from contextlib import suppress

import aiohttp

from tests.demo.plan import LEASE_KEY, RUNS_PREFIX
from tests.demo.record import Mood, Record
from tests.demo.runs import review_of, run_name
from tests.rig.errors import RigError
from tests.rig.etcd_client import EtcdClient, NoSpaceError
from tests.rig.reviews import stored_object
from tests.rig.services import Admitter
from tests.rig.webhook import Answer, ask


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

    async def create(self, number: int) -> None:
        """Create the run of that number, as far as it is admitted."""
        review = review_of(number, self._record.plan.review_bytes)
        if self._admitters:
            admitter = self._admitters[number % len(self._admitters)]
            if not await self._is_admitted(admitter, review):
                return
        await self._store(number, stored_object(review))

    async def renew_lease(self) -> None:
        """Write what a node writes all the time, whatever is admitted."""
        with suppress(RigError):
            await self._etcd.put(LEASE_KEY, b"renewed")

    async def _is_admitted(self, admitter: Admitter, review: bytes) -> bool:
        tally = self._record.admitters[admitter.name]
        try:
            answer = await ask(self._http, admitter.url, review, self._trust)
        except RigError as error:
            if tally.unanswered == 0:
                self._record.tell(f"{admitter.name}: {error}", Mood.BAD)
            tally.unanswered += 1
            return False
        self._tell_firsts(admitter.name, answer)
        tally.count(self._record.elapsed, allowed=answer.allowed)
        return answer.allowed

    def _tell_firsts(self, admitter: str, answer: Answer) -> None:
        for warning in answer.warnings:
            if not self._has_warned:
                self._has_warned = True
                self._record.tell(f"{admitter} admits with a warning: {warning}")
        if not answer.allowed and self._record.denied == 0:
            self._record.tell(f"{admitter} denies: {answer.code} {answer.message}", Mood.BAD)

    async def _store(self, number: int, run: bytes) -> None:
        try:
            await self._etcd.put(RUNS_PREFIX + run_name(number), run)
        except NoSpaceError as error:
            self._record.refused += 1
            self._record.note_nospace(str(error))
        except RigError as error:
            # As when etcd is busy defragmenting: the API server would report a timeout.
            self._record.lost_writes += 1
            if self._record.lost_writes == 1:
                self._record.tell(f"etcd did not take a run: {error}")
        else:
            self._record.written += 1
            self._record.newest_run = max(self._record.newest_run, number)
