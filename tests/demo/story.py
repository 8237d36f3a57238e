"""The acts of the demo, in order; each waits for something to happen and none for time to pass."""

import asyncio
from collections.abc import Callable, Sequence

from tests.demo.creations import Creations
from tests.demo.flood import Flood
from tests.demo.installation import Installation
from tests.demo.observers import look_at_etcd, observe
from tests.demo.plan import DB_IN_USE, RUNS_PREFIX
from tests.demo.record import Mood, Record
from tests.demo.runs import run_name
from tests.rig.errors import NotInTimeError
from tests.rig.etcd import MEBIBYTE
from tests.rig.lifetime import Rig
from tests.rig.waiting import wait_until

_LEASE_SECONDS = 0.5


class Story:
    """Plays the flood and the operator on an installation.

    Args:
        rig: Has the HTTP client.
        installation: Running servers.
        record: Where everything is written; it also knows how much time is left.
    """

    def __init__(self, rig: Rig, installation: Installation, record: Record) -> None:
        self._installation = installation
        self._record = record
        self._creations = Creations(
            record=record,
            etcd=installation.etcd.client,
            http=rig.http,
            admitters=installation.admitters,
            trust=installation.authority.client_context(),
        )

    async def play(self) -> None:
        """Play to the end, or until the plan's time is over, which is noted in the record.

        Raises:
            RigError: A server ended or did not do what it was asked.
        """
        try:
            async with asyncio.TaskGroup() as background:
                watching = background.create_task(observe(self._installation, self._record))
                await self._acts(background)
                await look_at_etcd(self._installation.etcd, self._record)  # its last word
                watching.cancel()
        except ExceptionGroup as failures:
            # Only one can be reported, and the others follow from the first.
            raise failures.exceptions[0] from failures

    async def _acts(self, background: asyncio.TaskGroup) -> None:
        plan = self._record.plan
        flood = Flood(
            self._creations.create, per_second=plan.runs_per_second, in_flight=plan.in_flight
        )
        try:
            await self._wait(self._is_open, "the shield to be open")
            self._record.tell(
                f"the flood begins: {plan.runs_per_second:g} PipelineRuns/s "
                f"of {plan.review_bytes / 1000:g} KB"
            )
            self._record.is_flooded = True
            flooding = background.create_task(flood.run())
            renewing = background.create_task(self._renew_leases())
            try:
                await self._pressed()
            finally:
                flooding.cancel()
                renewing.cancel()
        except NotInTimeError as error:
            self._record.unfinished = str(error)

    async def _pressed(self) -> None:
        shield = self._installation.shield
        if shield is None:
            refused = self._record.plan.refused_writes
            await self._wait(
                lambda: self._record.refused >= refused, f"etcd to refuse {refused} writes"
            )
            return
        await self._until_denied()
        await self._clean_up()
        await self._until_admitted()
        await self._encore()

    async def _until_denied(self) -> None:
        record, enough = self._record, self._record.plan.denied_before_cleaning
        await self._wait(lambda: self._all_bits(admits=False), "every admitter to deny")
        await self._wait(
            lambda: all(tally.denied >= enough for tally in record.admitters.values()),
            f"{enough} denials by every admitter",
        )
        spread = _spread([tally.denied_at for tally in record.admitters.values()])
        record.tell(f"all admitters deny; their first denials lie {spread} apart", Mood.BAD)

    async def _clean_up(self) -> None:
        record, etcd = self._record, self._installation.etcd.client
        oldest_kept = record.newest_run - record.plan.kept_runs
        deleted = await etcd.delete_range(RUNS_PREFIX, RUNS_PREFIX + run_name(oldest_kept))
        await etcd.compact()
        record.tell(f"operator: pruned {deleted} old runs and compacted etcd")
        await self._wait(self._only_the_file_denies, "db-in-use to fall while db-file still denies")
        record.tell("still denied: only a defragmentation makes the file smaller")
        before = (await etcd.status()).db_size
        await etcd.defragment()
        after = (await etcd.status()).db_size
        record.tell(f"operator: defragmented, {_mebibytes(before)} became {_mebibytes(after)}")

    async def _until_admitted(self) -> None:
        tallies = self._record.admitters.values()
        await self._wait(lambda: self._all_bits(admits=True), "every admitter to admit again")
        await self._wait(
            lambda: all(tally.readmitted_at is not None for tally in tallies),
            "a run admitted by every admitter",
        )
        spread = _spread([tally.readmitted_at for tally in tallies])
        self._record.tell(
            f"all admitters admit again; their first admissions lie {spread} apart", Mood.GOOD
        )

    async def _renew_leases(self) -> None:
        # No cluster is ever idle, and an idle etcd does not count the last pages it freed.
        while True:
            await self._creations.renew_lease()
            await asyncio.sleep(_LEASE_SECONDS)

    async def _encore(self) -> None:
        record = self._record
        ends = record.elapsed + min(record.plan.encore, record.left * 0.9)
        await self._wait(
            lambda: record.elapsed >= ends or self._all_bits(admits=False),
            "the flood to press on",
        )
        if self._all_bits(admits=False):
            record.tell("all admitters deny a second time", Mood.BAD)

    async def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def met() -> bool:
            self._installation.raise_if_ended()
            return condition()

        await wait_until(met, within=max(self._record.left, 0), what=what)

    def _all_bits(self, *, admits: bool) -> bool:
        return all(bit is admits for bit in self._record.bits)

    def _is_open(self) -> bool:
        if self._installation.shield is None:
            return True
        seen = [usage.seen for usage in self._record.signals.values()]
        return self._all_bits(admits=True) and None not in seen

    def _only_the_file_denies(self) -> bool:
        in_use = self._record.signals[DB_IN_USE].seen
        low = in_use is not None and in_use < self._record.plan.admit_below
        return low and self._all_bits(admits=False)


def _spread(times: Sequence[float | None]) -> str:
    known = [at for at in times if at is not None]
    return f"{(max(known) - min(known)) * 1000:.0f} ms"


def _mebibytes(size: int) -> str:
    return f"{size / MEBIBYTE:.1f} MiB"
