"""The leader among several controllers, by a Lease object.

Theory of operation
===================

A candidate writes its name and a time into the Lease, with the resource version that it read: of
two that write at once, one is refused with 409. A replica that sees the same Lease unchanged for
`DURATION` on its own monotonic clock takes it over; wall clocks are never compared. The leader
renews every `RENEW` and steps down on its own once it has not renewed for `GIVE_UP`, which is
earlier than others take over.

kubernetes_asyncio has an election too; it compares wall clocks, does not release the lease at the
end, and an error of the connection ends it.

Two releasers do no harm (`core.release`): the lease saves requests and double mirrors.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from shield_common import logs
from shield_controller.kubernetes.client import MERGE_PATCH, KubernetesError, decode_answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from shield_controller.kubernetes.client import KubernetesClient

DURATION_MS: Final = 15_000
RENEW_SECONDS: Final = 3.0
GIVE_UP_MS: Final = 10_000


class _Spec(Struct, frozen=True):
    holderIdentity: str | None = None  # noqa: N815 - Kubernetes' name


class _Metadata(Struct, frozen=True):
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' name


class _Lease(Struct, frozen=True):
    metadata: _Metadata
    spec: _Spec = field(default_factory=_Spec)


class Leadership:
    """One candidate.

    Attributes:
        problem: why the Lease could not be read or written; None while that works.
    """

    def __init__(
        self,
        client: KubernetesClient,
        *,
        namespace: str,
        name: str,
        holder: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self._holder = holder
        self._now_ms = now_ms
        self._seen: tuple[str, int] | None = None  # resource version, when first seen
        self._renewed_ms: int | None = None
        self._log = logs.get(__name__).bind(holder=holder)
        self.problem: str | None = None

    @property
    def is_leader(self) -> bool:
        """Whether this controller may act."""
        return self._renewed_ms is not None and self._now_ms() - self._renewed_ms < GIVE_UP_MS

    async def run(self) -> None:
        """Renew the lease at intervals. Runs until cancelled."""
        while True:
            await self.renew()
            await asyncio.sleep(RENEW_SECONDS)

    async def renew(self) -> None:
        """Renew the lease, or take it if it is free; never raises."""
        was_leader = self.is_leader
        started_ms = self._now_ms()
        try:
            held = await self._try_renew(started_ms)
        except KubernetesError as error:
            if self.problem is None:
                self._log.warning("the lease cannot be renewed", problem=str(error))
            self.problem = str(error)
        else:
            self.problem = None
            self._renewed_ms = started_ms if held else None
        if was_leader != self.is_leader:
            self._log.info("became the leader" if self.is_leader else "is not the leader any more")

    async def release(self) -> None:
        """Let another controller take over at once; never raises."""
        if not self.is_leader or self._seen is None:
            return
        version, _ = self._seen
        self._renewed_ms = None
        try:
            await self._write("PATCH", self._path, self._document("", version))
        except KubernetesError as error:
            self._log.warning("the lease was not released", problem=str(error))

    async def _try_renew(self, started_ms: int) -> bool:
        try:
            lease = decode_answer(await self._client.request("GET", self._path), _Lease)
        except KubernetesError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            document = self._document(self._holder, None)
            return await self._claim("POST", self._collection, document, started_ms)
        version = lease.metadata.resourceVersion
        if self._seen is None or self._seen[0] != version:
            self._seen = (version, started_ms)
        holder = lease.spec.holderIdentity
        unchanged_ms = started_ms - self._seen[1]
        if holder and holder != self._holder and unchanged_ms < DURATION_MS:
            return False
        document = self._document(self._holder, version)
        return await self._claim("PATCH", self._path, document, started_ms)

    async def _claim(self, verb: str, path: str, document: dict[str, Any], started_ms: int) -> bool:
        try:
            answer = await self._write(verb, path, document)
        except KubernetesError as error:
            if error.status == HTTPStatus.CONFLICT:
                return False
            raise
        self._seen = (decode_answer(answer, _Lease).metadata.resourceVersion, started_ms)
        return True

    async def _write(self, verb: str, path: str, document: dict[str, Any]) -> bytes:
        if verb == "POST":
            return await self._client.request(verb, path, body=document)
        return await self._client.request(verb, path, body=document, content_type=MERGE_PATCH)

    def _document(self, holder: str, version: str | None) -> dict[str, Any]:
        metadata = {"name": self._name, "namespace": self._namespace}
        if version is not None:
            metadata["resourceVersion"] = version
        return {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata,
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": DURATION_MS // 1000,
                "renewTime": f"{self._client.now:%Y-%m-%dT%H:%M:%S.%fZ}",
            },
        }

    @property
    def _collection(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self._namespace}/leases"

    @property
    def _path(self) -> str:
        return f"{self._collection}/{self._name}"
