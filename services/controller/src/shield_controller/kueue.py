"""Stops Kueue's ClusterQueues while the shield is closed; the rules are in `core.stop_policy`."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from shield_common import logs
from shield_controller.core.stop_policy import (
    Action,
    ClusterQueue,
    QueueList,
    action_for,
    patch_for,
)
from shield_controller.kubernetes.client import (
    MERGE_PATCH,
    KubernetesError,
    decode_answer,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_common.decision_feed import DecisionFeed
    from shield_controller.kubernetes.client import KubernetesClient
    from shield_controller.settings import ControllerSettings

GROUP_PATH: Final = "/apis/kueue.x-k8s.io"


class _Version(Struct, frozen=True):
    groupVersion: str  # noqa: N815 - Kubernetes' name


class _Group(Struct, frozen=True):
    preferredVersion: _Version  # noqa: N815 - Kubernetes' name


class ClusterQueues:
    """Kueue's ClusterQueues, in the version of the API that the cluster prefers."""

    def __init__(self, client: KubernetesClient) -> None:
        self._client = client
        self._root: str | None = None

    async def list(self) -> tuple[ClusterQueue, ...]:
        """List all of them.

        Raises:
            KubernetesError: Kueue is not installed (404), or the list failed.
        """
        answer = await self._client.request("GET", await self._path())
        return decode_answer(answer, QueueList).items or ()

    async def read(self, name: str) -> ClusterQueue:
        """Read one.

        Raises:
            KubernetesError: it is not there, or has another form.
        """
        answer = await self._client.request("GET", f"{await self._path()}/{name}")
        return decode_answer(answer, ClusterQueue)

    async def patch(self, name: str, patch: dict[str, object]) -> None:
        """Apply a merge patch.

        Raises:
            KubernetesError: it was not applied.
        """
        path = f"{await self._path()}/{name}"
        await self._client.request("PATCH", path, body=patch, content_type=MERGE_PATCH)

    async def _path(self) -> str:
        if self._root is None:
            group = decode_answer(await self._client.request("GET", GROUP_PATH), _Group)
            self._root = f"/apis/{group.preferredVersion.groupVersion}"
        return f"{self._root}/clusterqueues"


class StopPolicies:
    """Stops the configured queues while the shield is closed, and starts them after.

    Attributes:
        problem: why a queue could not be read, stopped or started; None while that works.
    """

    def __init__(
        self,
        settings: ControllerSettings,
        *,
        queues: ClusterQueues,
        feed: DecisionFeed,
        is_leader: Callable[[], bool],
        on_state: Callable[[str, bool], None] = lambda _queue, _stopped: None,
    ) -> None:
        """Store the collaborators.

        Args:
            settings: which queues, and how often.
            queues: the cluster's queues.
            feed: the decision.
            is_leader: whether this controller may act.
            on_state: called with each queue's name and whether the controller holds it stopped.
        """
        self._names = settings.kueue.cluster_queues
        self._interval = settings.interval
        self._queues = queues
        self._feed = feed
        self._is_leader = is_leader
        self._on_state = on_state
        self._log = logs.get(__name__)
        self.problem: str | None = None

    async def run(self) -> None:
        """Compare the queues with the decision every interval. Runs until cancelled."""
        while True:
            await self.update()
            await asyncio.sleep(self._interval)

    async def update(self) -> None:
        """Stop or start the queues as the decision asks; never raises for the API."""
        cached = self._feed.in_force
        if cached is None or not self._is_leader():
            return
        problem = None
        for name in self._names:
            try:
                await self._update(name, closed=not cached.decision.allow)
            except KubernetesError as error:
                if error.status != HTTPStatus.CONFLICT:  # changed at the same moment: next time
                    problem = f"{name}: {error}"
        if problem is not None and self.problem is None:
            self._log.warning("a ClusterQueue cannot be stopped or started", problem=problem)
        self.problem = problem

    async def _update(self, name: str, *, closed: bool) -> None:
        queue = await self._queues.read(name)
        action = action_for(queue, closed=closed)
        if action is not Action.LEAVE:
            await self._queues.patch(name, patch_for(queue, action))
            self._log.info("ClusterQueue changed", cluster_queue=name, action=action.value)
        stopped = action is Action.STOP or (action is Action.LEAVE and queue.is_stopped_by_us)
        self._on_state(name, stopped)
