"""The acts of `--hold`: a flood that ends, and every run of it starts and finishes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.demo.flood import Flood
from tests.demo.holding.installation import RUNS_PATH, Cluster
from tests.demo.holding.journal import Journal
from tests.demo.holding.pipelines import Pipelines
from tests.demo.installation import Installation
from tests.demo.observers import look_at_etcd, observe
from tests.demo.plan import DB_FILE, DB_IN_USE, HoldingPlan
from tests.demo.record import Mood, Record
from tests.rig.errors import NotInTimeError
from tests.rig.waiting import wait_until

_SAMPLE_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Sample:
    """The state at a moment, for the picture.

    Attributes:
        at: Seconds after the start.
        db_file: Share of the quota, as etcd says it.
        db_in_use: Share of the quota that holds data.
        reserved: Share of the quota that started runs are still going to write.
        created: Runs so far.
        waiting: Runs that are held now.
        released: Runs so far.
        started: Runs so far.
        finished: Runs so far.
    """

    at: float
    db_file: float
    db_in_use: float
    reserved: float
    created: int
    waiting: int
    released: int
    started: int
    finished: int


@dataclass(kw_only=True)
class HoldingStory:
    """Plays the flood, Tekton and the pruner on an installation with an API server.

    Attributes:
        installation: Running servers.
        cluster: Those that are there for holding.
        record: Where everything is written; it also knows how much time is left.
        journal: What became of each run.
        plan: The figures.
        samples: The state since the flood began, four times a second.
    """

    installation: Installation
    cluster: Cluster
    record: Record
    journal: Journal
    plan: HoldingPlan
    samples: list[Sample] = field(default_factory=list)

    async def play(self) -> None:
        """Play to the end, or until the plan's time is over, which is noted in the record.

        Raises:
            RigError: A server ended or did not do what it was asked.
        """
        pipelines = Pipelines(
            record=self.record, journal=self.journal, api=self.cluster.api,
            etcd=self.installation.etcd.client, plan=self.plan,
        )  # fmt: skip
        runs = (await self.cluster.api.get(RUNS_PATH)).body
        try:
            async with asyncio.TaskGroup() as background:
                tasks = [
                    background.create_task(work)
                    for work in (
                        observe(self.installation, self.record),
                        pipelines.run(runs["metadata"]["resourceVersion"]),
                        pipelines.write_on(),
                        pipelines.prune(),
                        pipelines.beat(),
                        self._sample(),
                    )
                ]
                try:
                    await self._acts(pipelines)
                except NotInTimeError as error:
                    self.record.unfinished = str(error)
                await look_at_etcd(self.installation.etcd, self.record)  # its last word
                for task in tasks:
                    task.cancel()
        except ExceptionGroup as failures:
            # Only one can be reported, and the others follow from the first.
            raise failures.exceptions[0] from failures

    async def _acts(self, pipelines: Pipelines) -> None:
        plan, journal, record = self.plan, self.journal, self.record
        await self._wait(lambda: record.slots is not None, "decisions that let runs be held")
        record.tell(
            f"the flood begins: {plan.runs} PipelineRuns, {plan.runs_per_second:g}/s, "
            f"of {plan.review_bytes / 1000:g} KB, of which each goes on to write "
            f"{plan.writes_per_run} more objects"
        )
        record.is_flooded = True
        flood = Flood(
            pipelines.create,
            per_second=plan.runs_per_second,
            in_flight=plan.in_flight,
            last=plan.runs,
        )
        await flood.run()
        await self._wait(lambda: self._created() >= plan.runs, "all runs to be created")
        record.tell(
            f"the flood is over: {len(journal.created)} runs were created, "
            f"{len(journal.started)} of them started, {journal.waiting} are held"
        )
        await self._wait(
            lambda: len(journal.started) >= len(journal.created), "every held run to start"
        )
        record.tell(
            f"the last held run starts; {len(journal.finished)} runs have finished", Mood.GOOD
        )
        await self._wait(
            lambda: len(journal.finished) >= len(journal.created), "every run to finish"
        )
        record.tell("every run has finished", Mood.GOOD)

    def _created(self) -> int:
        return len(self.journal.created) + len(self.journal.refused)

    async def _sample(self) -> None:
        """Write down the state, and tell what happens for the first time."""
        journal, signals = self.journal, self.record.signals
        is_released = is_pruned = False
        while True:
            if not self.record.is_flooded:
                await asyncio.sleep(_SAMPLE_SECONDS)
                continue
            self.samples.append(
                Sample(
                    at=self.record.elapsed,
                    db_file=signals[DB_FILE].now or 0.0,
                    db_in_use=signals[DB_IN_USE].now or 0.0,
                    reserved=self.record.reserved / self.plan.quota_bytes,
                    created=len(journal.created),
                    waiting=journal.waiting,
                    released=len(journal.released),
                    started=len(journal.started),
                    finished=len(journal.finished),
                )
            )
            if journal.released and not is_released:
                is_released = True
                name = journal.released[0].name
                self.record.tell(f"the controller releases the first held run, {name}")
            if journal.pruned and not is_pruned:
                is_pruned = True
                self.record.tell("finished runs are pruned from now on, and etcd is compacted")
            await asyncio.sleep(_SAMPLE_SECONDS)

    async def _wait(self, condition: Callable[[], bool], what: str) -> None:
        def met() -> bool:
            self.installation.raise_if_ended()
            return condition()

        await wait_until(met, within=max(self.record.left, 0), what=what)
