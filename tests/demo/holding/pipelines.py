"""Stand-ins for those who create, run and prune PipelineRuns.

Creating goes through the API server, as does deleting. What a started run writes goes straight into
etcd, as in the demo without an API server.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus

import aiohttp

from tests.demo.creations import store
from tests.demo.holding.installation import RUNS_PATH
from tests.demo.holding.journal import Journal, RunState
from tests.demo.plan import NAMESPACE, HoldingPlan
from tests.demo.record import Mood, Record
from tests.demo.runs import review_of, run_name, run_of
from tests.demo.writing import Writing
from tests.rig.errors import RigError
from tests.rig.etcd_client import EtcdClient
from tests.rig.kubernetes_api import KubernetesApi, Object
from tests.rig.reviews import stored_object

# Beside the runs, where the API server watches nothing.
_STEPS_PREFIX = f"/registry/tekton.dev/taskruns/{NAMESPACE}/"
# What some part of a cluster renews all the time; not where the API server has objects.
_HEARTBEAT_KEY = "/registry/example.com/heartbeats/node-1"
_PENDING = "PipelineRunPending"
_USER = "system:serviceaccount:ci:pipeline-starter"
_DELETIONS_AT_A_TIME = 4
_HEARTBEAT_SECONDS = 0.5


class Pipelines:
    """Creates runs, starts those that may start, and prunes those that have finished.

    Args:
        record: Where everything is counted.
        journal: Where the runs are written down.
        api: The API server.
        etcd: Its storage.
    """

    def __init__(
        self, *, record: Record, journal: Journal, api: KubernetesApi, etcd: EtcdClient,
        plan: HoldingPlan,
    ) -> None:  # fmt: skip
        self._record = record
        self._journal = journal
        self._plan = plan
        self._api = api
        self._etcd = etcd
        self._writing = Writing(
            self._write_step, writes=plan.writes_per_run, every=plan.write_every
        )
        self._finished_at: dict[str, float] = {}

    async def create(self, number: int) -> None:
        """Create the run of that number, once: one that is refused is lost."""
        try:
            reply = await self._api.create(run_of(number, self._plan.review_bytes), user=_USER)
        except (aiohttp.ClientError, TimeoutError) as error:
            self._refuse(number, repr(error))
            return
        if reply.status != HTTPStatus.CREATED:
            self._refuse(number, f"{reply.status} {reply.message}")
        elif reply.warnings and not self._journal.held:
            text = reply.warnings[0].partition('"')[2].rstrip('"')  # 299 - "text", RFC 7234, 5.5
            self._record.tell(f"{run_name(number)} is told: {text}")

    async def run(self, since: str) -> None:
        """Start runs that may start, as Tekton's controller does. Runs until cancelled.

        Args:
            since: The version of the list of runs from which it watches.

        Raises:
            RigError: The watch ended.
        """
        async for event in self._api.watch(RUNS_PATH, since=since):
            if event["type"] == "DELETED":
                continue
            state = _state(event["object"])
            if self._journal.see(state):
                self._writing.begin(_number(state.name))
        raise RigError("the API server ended the watch of runs")

    async def write_on(self) -> None:
        """Write the further objects of started runs as they are due. Runs until cancelled."""
        await self._writing.run()

    async def prune(self) -> None:
        """Delete finished runs and compact etcd, again and again. Runs until cancelled."""
        revision = None
        while True:
            await asyncio.sleep(self._plan.prune_every)
            due = self._record.elapsed - self._plan.prune_after
            names = [name for name, at in self._finished_at.items() if at <= due]
            places = asyncio.Semaphore(_DELETIONS_AT_A_TIME)
            await asyncio.gather(*(self._delete(name, places) for name in names))
            # A server that is busy is asked again in the next round.
            with suppress(RigError):
                # Not up to the newest: a watch of the API server may be a little behind.
                if revision is not None:
                    await self._etcd.compact(revision)
                revision = (await self._etcd.status()).revision

    async def beat(self) -> None:
        """Write a little all the time, as no cluster is ever idle. Runs until cancelled."""
        # An idle etcd does not count the last pages that it freed.
        while True:
            with suppress(RigError):
                await self._etcd.put(_HEARTBEAT_KEY, b"renewed")
            await asyncio.sleep(_HEARTBEAT_SECONDS)

    async def _delete(self, name: str, places: asyncio.Semaphore) -> None:
        with suppress(RigError, aiohttp.ClientError, TimeoutError):
            async with places:
                await self._api.delete(f"{RUNS_PATH}/{name}")
                await self._etcd.delete_prefix(_STEPS_PREFIX + name)
            del self._finished_at[name]
            self._journal.pruned += 1

    async def _write_step(self, number: int, step: int) -> None:
        name = run_name(number)
        content = stored_object(review_of(number, self._plan.review_bytes))
        await store(self._record, self._etcd, f"{_STEPS_PREFIX}{name}-step-{step:02}", content)
        if step == self._plan.writes_per_run:
            self._finished_at[name] = self._record.elapsed
            self._journal.finished.append(name)

    def _refuse(self, number: int, why: str) -> None:
        self._journal.refused.append(run_name(number))
        self._record.tell(f"{run_name(number)} was refused: {why}", Mood.BAD)


def _state(run: Object) -> RunState:
    metadata = run["metadata"]
    return RunState(
        name=metadata["name"],
        created=metadata["creationTimestamp"],
        revision=int(metadata["resourceVersion"]),
        is_pending=_PENDING == run["spec"].get("status"),
    )


def _number(name: str) -> int:
    return int(name.rpartition("-")[2])
