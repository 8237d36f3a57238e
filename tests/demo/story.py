"""The acts of the demo, in order; each waits for something to happen and none for time to pass."""

import asyncio
from collections.abc import Callable, Sequence

from tests.demo.creations import Creations
from tests.demo.flood import Flood
from tests.demo.installation import Installation
from tests.demo.observers import look_at_etcd, observe
from tests.demo.plan import DB_FILE, DB_IN_USE, RUNS_PREFIX
from tests.demo.record import Mood, Record
from tests.rig.errors import NotInTimeError
from tests.rig.lifetime import Rig
from tests.rig.waiting import wait_until

_LEASE_SECONDS = 0.5
# Numbers of the waiting clients' runs, beyond those of the flood.
_FIRST_WAITING = 100_000
# The story ends then, also if the last runs have not written everything.
_LAST_SECONDS = 3.0


class Story:
    """Plays the flood and the operator on an installation.

    Args:
        rig: Has the HTTP client.
        installation: Running servers.
        record: Where everything is written; it also knows how much time is left.
        with_room: Whether the shield counts what admitted runs are still going to write.
    """

    def __init__(
        self, rig: Rig, installation: Installation, record: Record, *, with_room: bool = True
    ) -> None:
        self._with_room = with_room
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
                f"of {plan.review_bytes / 1000:g} KB, of which each goes on to write "
                f"{plan.writes_per_run} more objects"
            )
            self._record.is_flooded = True
            flooding = background.create_task(flood.run())
            renewing = background.create_task(self._renew_leases())
            writing = background.create_task(self._creations.write_on())
            try:
                await self._pressed(background)
            finally:
                flooding.cancel()
                renewing.cancel()
                writing.cancel()
        except NotInTimeError as error:
            self._record.unfinished = str(error)

    async def _pressed(self, background: asyncio.TaskGroup) -> None:
        record = self._record
        if self._installation.shield is None:
            refused = record.plan.refused_writes
            await self._wait(lambda: record.refused >= refused, f"etcd to refuse {refused} writes")
        elif not self._with_room:
            await self._wait(lambda: record.nospace_at is not None, "etcd to be full")
        else:
            await self._until_closed()
            waiting = self._let_clients_wait(background)
            try:
                await self._clean_up()
                await self._until_admitted()
                await self._encore()
            finally:
                for client in waiting:
                    client.cancel()

    async def _until_closed(self) -> None:
        record, enough = self._record, self._record.plan.denied_before_cleaning
        await self._wait(lambda: self._all_bits(admits=False), "every admitter to deny")
        await self._wait(
            lambda: all(tally.denied >= enough for tally in record.admitters.values()),
            f"{enough} denials by every admitter",
        )
        spread = _spread([tally.denied_at for tally in record.admitters.values()])
        share = record.signals[DB_IN_USE].now or 0.0
        record.tell(
            f"all admitters deny while etcd is at {share:.0%}: the rest is reserved for "
            f"{record.admitted - record.finished} runs that are still writing; "
            f"first denials lie {spread} apart"
        )

    def _let_clients_wait(self, background: asyncio.TaskGroup) -> list[asyncio.Task[None]]:
        clients = self._record.plan.waiting_clients
        self._record.tell(f"{clients} clients wait for the re-opening, and come back when told")
        return [
            background.create_task(self._creations.create_patiently(_FIRST_WAITING + number))
            for number in range(clients)
        ]

    async def _clean_up(self) -> None:
        record, etcd = self._record, self._installation.etcd.client
        await self._wait(lambda: record.finished >= record.admitted, "all runs to have written")
        peak = record.signals[DB_FILE].peak
        record.tell(
            f"all {record.finished} admitted runs have written everything: etcd is at {peak:.1%}",
            Mood.GOOD,
        )
        deleted = await etcd.delete_prefix(RUNS_PREFIX)
        await etcd.compact()
        record.tell(
            f"operator: pruned the {deleted} objects of finished runs and compacted etcd; "
            "no defragmentation, what is free inside the file is room"
        )

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
        before = record.admitted
        await self._wait(
            lambda: record.elapsed >= ends or self._all_bits(admits=False),
            "the waiting clients to press on",
        )
        record.tell(
            f"{record.admitted - before} more runs admitted as room was handed out, "
            f"{record.waiting} clients still wait"
        )
        await self._wait(
            lambda: record.finished >= record.admitted or record.left < _LAST_SECONDS,
            "the runs of the re-opening to write",
        )

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


def _spread(times: Sequence[float | None]) -> str:
    known = [at for at in times if at is not None]
    return f"{(max(known) - min(known)) * 1000:.0f} ms"
