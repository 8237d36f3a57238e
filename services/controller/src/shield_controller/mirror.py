"""Mirrors the decision into Kubernetes: at once when a bit changes, else every minute."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from shield_common import logs
from shield_controller.core.mirror import API_VERSION, REFRESH_MS, bits, config_map, decision_object
from shield_controller.kubernetes.client import APPLY_PATCH, KubernetesError
from shield_controller.kubernetes.pipelineruns import FIELD_MANAGER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shield_common.decision import Decision
    from shield_common.decision_feed import DecisionFeed
    from shield_controller.kubernetes.client import KubernetesClient
    from shield_controller.settings import ControllerSettings

DECISION: Final = "decision"  # targets, as metrics name them
CONFIG_MAP: Final = "config_map"
TARGETS: Final = (DECISION, CONFIG_MAP)
MIRROR_RESULTS: Final = ("success", "forbidden", "not_found", "failure")
_RESULT_OF: Final = {403: "forbidden", 404: "not_found"}
RETRY_MS: Final = 5_000  # after a failed write
POLL_SECONDS: Final = 0.5  # from a decision that changes a bit to the mirror


class Mirror:
    """One object that shows the decision.

    Attributes:
        problem: why it could not be written; None while it can.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        target: str,
        path: str,
        document_of: Callable[[Decision], dict[str, Any]],
        now_ms: Callable[[], int],
        on_result: Callable[[str, str], None],
    ) -> None:
        self._client = client
        self._target = target
        self._path = path
        self._document_of = document_of
        self._now_ms = now_ms
        self._on_result = on_result
        self._log = logs.get(__name__).bind(target=target)
        self._shown: Mapping[str, bool] | None = None
        self._tried_ms: int | None = None
        self.problem: str | None = None

    async def show(self, decision: Decision) -> None:
        """Write the decision if that is due; never raises."""
        now_ms = self._now_ms()
        is_changed = bits(decision) != self._shown and self.problem is None
        is_due = self._tried_ms is None or now_ms - self._tried_ms >= self._pause_ms
        if not is_changed and not is_due:
            return
        self._tried_ms = now_ms
        try:
            await self._client.request(
                "PATCH",
                self._path,
                query={"fieldManager": FIELD_MANAGER, "force": "true"},
                body=self._document_of(decision),
                content_type=APPLY_PATCH,
            )
        except KubernetesError as error:
            self._on_result(self._target, _RESULT_OF.get(error.status, "failure"))
            if self.problem is None:
                self._log.warning("the decision cannot be mirrored", problem=str(error))
            self.problem = str(error)
        else:
            self._on_result(self._target, "success")
            if self.problem is not None:
                self._log.info("the decision is mirrored again")
            self.problem = None
            self._shown = bits(decision)

    @property
    def _pause_ms(self) -> int:
        """Time between two writes; shorter after a failure, since the mirror may be wrong."""
        return REFRESH_MS if self.problem is None else RETRY_MS


class Mirrors:
    """All mirrors of one controller."""

    def __init__(
        self,
        settings: ControllerSettings,
        *,
        client: KubernetesClient,
        feed: DecisionFeed,
        namespace: str,
        now_ms: Callable[[], int],
        is_leader: Callable[[], bool],
        on_result: Callable[[str, str], None] = lambda _target, _result: None,
    ) -> None:
        """Build the mirrors that the settings ask for; nothing is written yet.

        Args:
            settings: the file.
            client: the API server.
            feed: the decision.
            namespace: where the mirrors are.
            now_ms: a monotonic clock.
            is_leader: whether this controller may act.
            on_result: called with the target and one of `MIRROR_RESULTS` for each write.
        """
        publish = settings.publish
        self._feed = feed
        self._is_leader = is_leader
        self._mirrors: list[Mirror] = []
        if publish.kubernetes:
            path = f"/apis/{API_VERSION}/namespaces/{namespace}/decisions"
            self._mirrors.append(
                Mirror(
                    client,
                    target=DECISION,
                    path=f"{path}/{publish.decision}",
                    document_of=lambda decision: decision_object(
                        decision, namespace=namespace, name=publish.decision
                    ),
                    now_ms=now_ms,
                    on_result=on_result,
                )
            )
        if publish.config_map is not None:
            name = publish.config_map
            self._mirrors.append(
                Mirror(
                    client,
                    target=CONFIG_MAP,
                    path=f"/api/v1/namespaces/{namespace}/configmaps/{name}",
                    document_of=lambda decision: config_map(
                        decision, namespace=namespace, name=name
                    ),
                    now_ms=now_ms,
                    on_result=on_result,
                )
            )

    @property
    def problem(self) -> str | None:
        """Why a mirror could not be written; None while all can."""
        return next((m.problem for m in self._mirrors if m.problem is not None), None)

    async def run(self) -> None:
        """Follow the decision. Runs until cancelled."""
        while True:
            await self.show()
            await asyncio.sleep(POLL_SECONDS)

    async def show(self) -> None:
        """Write what is due; nothing from an expired decision, so that the mirrors expire too."""
        cached = self._feed.in_force
        if cached is None or not self._is_leader():
            return
        for mirror in self._mirrors:
            await mirror.show(cached.decision)
