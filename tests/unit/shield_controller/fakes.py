"""An API server in memory, as the loops see it: held runs, watches, patches and faults."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import msgspec

from shield_common.held import PENDING_STATUS
from shield_controller.core.release import Patch
from shield_controller.core.runs import HeldRun, Metadata, WholeRun, decode_whole
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import Change

GONE = KubernetesError(404, "there is no such run")


@dataclass
class FakeRuns:
    """Fulfils what the loops need of `PipelineRuns`.

    Attributes:
        held: The runs, by uid.
        list_faults: Raised by the next lists, one each; None lets it pass.
        watches: What the next watches do: yield changes, then raise or end; None stays open, and
            an error that comes first refuses the watch. Beyond them a watch ends at once.
        patch_faults: What the next patches raise; None lets it pass.
        requests: What was asked for, in order.
        put_back: Names of runs that a webhook puts back into the queue while they are patched.
        patched: The names of the runs whose patch was applied, in order.
    """

    held: dict[str, HeldRun] = field(default_factory=dict)
    list_faults: deque[KubernetesError | None] = field(default_factory=deque)
    watches: deque[list[Change | KubernetesError | None]] = field(default_factory=deque)
    patch_faults: deque[KubernetesError | None] = field(default_factory=deque)
    refuse: Callable[[HeldRun], KubernetesError | None] = lambda _run: None
    requests: list[str] = field(default_factory=list)
    put_back: set[str] = field(default_factory=set)
    patched: list[str] = field(default_factory=list)
    revision: int = 0

    def add(self, *runs: HeldRun) -> None:
        self.held |= {run.uid: run for run in runs}

    async def list_held(self) -> tuple[list[HeldRun], str]:
        self.requests.append("list")
        fault = self.list_faults.popleft() if self.list_faults else None
        if fault is not None:
            raise fault
        self.revision += 1
        return list(self.held.values()), str(self.revision)

    async def watch_held(self, resource_version: str) -> AsyncIterator[Change]:
        self.requests.append(f"watch {resource_version}")
        items = self.watches.popleft() if self.watches else []
        if not items or not isinstance(items[0], KubernetesError):
            yield Change(resource_version=resource_version)
        for item in items:
            if isinstance(item, KubernetesError):
                raise item
            if item is None:
                await asyncio.Event().wait()
            else:
                yield item

    async def read(self, namespace: str, name: str) -> tuple[WholeRun, HeldRun | None]:
        self.requests.append(f"read {name}")
        for run in self.held.values():
            if (namespace, name) == (run.namespace, run.name):
                return whole(run), run
        raise GONE

    async def patch(self, run: HeldRun, patch: Patch) -> HeldRun | None:
        self.requests.append(f"patch {run.name}")
        assert patch
        fault = self.patch_faults.popleft() if self.patch_faults else self.refuse(run)
        if fault is not None:
            raise fault
        if run.uid not in self.held:
            raise GONE
        if run.name in self.put_back:
            return run
        del self.held[run.uid]
        self.patched.append(run.name)
        return None


def whole(run: HeldRun, status: str = PENDING_STATUS) -> WholeRun:
    """Return a held run in full."""
    metadata = Metadata(
        name=run.name,
        namespace=run.namespace,
        uid=run.uid,
        creationTimestamp=run.created,
        resourceVersion=run.resource_version,
        generation=run.generation,
    )
    return decode_whole(msgspec.json.encode({"metadata": metadata, "spec": {"status": status}}))
