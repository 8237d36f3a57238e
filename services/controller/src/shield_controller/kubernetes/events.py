"""Events on runs: what `kubectl describe` shows to the owner of a run. Their rate is bounded.

Events are stored in etcd, which is nearly full when runs are held, so most of a burst gets none:
the label, the annotation and `shield-controller queue` say the same.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final

from shield_common.text import truncate
from shield_controller.kubernetes.client import KubernetesError
from shield_controller.kubernetes.pipelineruns import GROUP, KIND, VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_controller.core.runs import HeldRun
    from shield_controller.kubernetes.client import KubernetesClient

HELD: Final = "EtcdShieldHeld"
RELEASED: Final = "EtcdShieldReleased"
STUCK: Final = "EtcdShieldStuck"
CANCELLED: Final = "EtcdShieldCancelled"
REASONS: Final = (HELD, RELEASED, STUCK, CANCELLED)

MAX_NOTE: Final = 256  # characters of up to 4 bytes; Kubernetes takes 1,024 bytes
PER_SECOND: Final = 2.0
BURST: Final = 20
_REPORTER: Final = "etcd-shield.dev/controller"
_MAX_NAME: Final = 200  # of an event's name before its random suffix


class Events:
    """Writes events, and drops those beyond the rate."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        instance: str,
        now_ms: Callable[[], int],
        on_event: Callable[[str], None] = lambda _result: None,
    ) -> None:
        """Store the collaborators.

        Args:
            client: the API server.
            instance: this controller's identity.
            now_ms: a monotonic clock.
            on_event: called with ``written``, ``dropped`` or ``failed``.
        """
        self._client = client
        self._instance = instance
        self._now_ms = now_ms
        self._on_event = on_event
        self._tokens = float(BURST)
        self._filled_ms = now_ms()

    async def write(self, run: HeldRun, reason: str, note: str, *, warning: bool = False) -> None:
        """Write an event on a run; never raises.

        Args:
            run: the run.
            reason: one of `REASONS`.
            note: a sentence for people.
            warning: whether something is wrong.
        """
        if not self._take():
            self.drop()
            return
        try:
            await self._client.request(
                "POST",
                f"/apis/events.k8s.io/v1/namespaces/{run.namespace}/events",
                body=self._document(run, reason, note, warning=warning),
            )
        except KubernetesError:
            self._on_event("failed")
        else:
            self._on_event("written")

    def drop(self) -> None:
        """Count an event that is not written because there are too many."""
        self._on_event("dropped")

    def _take(self) -> bool:
        now = self._now_ms()
        elapsed = max(0, now - self._filled_ms) / 1000
        self._tokens = min(BURST, self._tokens + elapsed * PER_SECOND)
        self._filled_ms = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _document(
        self, run: HeldRun, reason: str, note: str, *, warning: bool
    ) -> dict[str, object]:
        name = f"{run.name[:_MAX_NAME]}.{secrets.token_hex(8)}"
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": run.namespace},
            "eventTime": f"{self._client.now:%Y-%m-%dT%H:%M:%S.%fZ}",
            "reportingController": _REPORTER,
            "reportingInstance": truncate(self._instance, 128),
            "action": reason.removeprefix("EtcdShield"),
            "reason": reason,
            "type": "Warning" if warning else "Normal",
            "note": truncate(note, MAX_NOTE),
            "regarding": {
                "apiVersion": f"{GROUP}/{VERSION}",
                "kind": KIND,
                "namespace": run.namespace,
                "name": run.name,
                "uid": run.uid,
            },
        }
