"""The story of `--hold` on an API server and an etcd that are pretended."""

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, cast

from tests.demo.holding.findings import judge_holding
from tests.demo.holding.story import HoldingStory
from tests.demo.plan import HoldingPlan
from tests.demo.record import Record
from tests.rig.etcd_client import EtcdStatus
from tests.rig.kubernetes_api import Reply

if TYPE_CHECKING:
    from tests.demo.holding.installation import Cluster
    from tests.demo.installation import Installation

RUNS, AT_ONCE = 12, 4
PLAN = HoldingPlan(
    runs=RUNS, runs_per_second=200, writes_per_run=2, write_every=0.01, prune_after=0.02,
    prune_every=0.02, seconds=60,
)  # fmt: skip


class PretendedCluster:
    """Both servers. A run is pending while as many as have room are writing; the oldest is next."""

    def __init__(self) -> None:
        self.changes: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.runs: dict[str, dict[str, Any]] = {}
        self.deleted: list[str] = []
        self.revision = 0

    @property
    def api(self) -> "PretendedCluster":
        return self

    @property
    def client(self) -> "PretendedCluster":
        return self

    async def get(self, _path: str) -> Reply:
        return Reply(status=200, body={"metadata": {"resourceVersion": "0"}, "items": []})

    async def create(self, run: dict[str, Any], *, user: str) -> Reply:
        assert user
        held = len(self.runs) - len(self.deleted) >= AT_ONCE
        run["metadata"]["creationTimestamp"] = "2026-11-26T01:00:00Z"
        run["spec"]["status"] = "PipelineRunPending" if held else None
        self.runs[run["metadata"]["name"]] = run
        self._change("ADDED", run)
        return Reply(status=201, body=run, warnings=('299 - "held, number 1"',) if held else ())

    async def delete(self, path: str) -> Reply:
        self.deleted.append(path.rpartition("/")[2])
        self._change("DELETED", self.runs[self.deleted[-1]])
        pending = [run for run in self.runs.values() if run["spec"]["status"] is not None]
        for run in pending[:1]:
            run["spec"]["status"] = None
            self._change("MODIFIED", run)
        return Reply(status=200, body={})

    async def watch(self, _path: str, *, since: str) -> AsyncIterator[dict[str, Any]]:
        assert since == "0"
        while True:
            yield await self.changes.get()

    async def put(self, _key: str, _value: bytes) -> int:
        return 1

    async def delete_prefix(self, _prefix: str) -> int:
        return PLAN.writes_per_run

    async def compact(self, _revision: int) -> None:
        pass

    async def status(self) -> EtcdStatus:
        used = PLAN.quota_bytes // 2
        return EtcdStatus(db_size=used, db_size_in_use=used, revision=self.revision, leader=1)

    async def alarms(self) -> frozenset[str]:
        return frozenset()

    def _change(self, kind: str, run: dict[str, Any]) -> None:
        self.revision += 1
        run["metadata"]["resourceVersion"] = str(self.revision)
        metadata, spec = dict(run["metadata"]), dict(run["spec"])
        self.changes.put_nowait({"type": kind, "object": {"metadata": metadata, "spec": spec}})


class PretendedInstallation:
    """etcd without a shield; the pretended API server holds runs itself."""

    shield = None

    def __init__(self, cluster: PretendedCluster) -> None:
        self.etcd = self
        self.client = cluster
        self.quota_bytes = PLAN.quota_bytes

    def raise_if_ended(self) -> None:
        pass


async def played(record: Record) -> HoldingStory:
    cluster = PretendedCluster()
    assert record.journal is not None
    record.slots = 100.0
    story = HoldingStory(
        installation=cast("Installation", PretendedInstallation(cluster)),
        cluster=cast("Cluster", cluster),
        record=record,
        journal=record.journal,
        plan=PLAN,
    )
    await story.play()
    return story


async def test_the_story_ends_when_every_run_has_started_and_finished() -> None:
    record = Record(PLAN)

    story = await played(record)

    assert [] == [f.promise for f in judge_holding(record, story.journal, PLAN) if not f.holds]
    assert RUNS == len(story.journal.finished)
    assert 0 < story.journal.held
    assert [sample.created for sample in story.samples] == sorted(
        sample.created for sample in story.samples
    )


async def test_the_story_tells_what_is_held_released_and_pruned() -> None:
    record = Record(PLAN)

    await played(record)

    told = "\n".join(event.text for event in record.events)
    for words in ("is told: held, number 1", "the flood is over", "every run has finished"):
        assert words in told
