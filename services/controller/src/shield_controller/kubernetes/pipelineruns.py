"""PipelineRuns, as the controller asks for them: held ones by metadata, one in full, patches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec
from msgspec import Struct, field

from shield_common.held import HELD_LABEL
from shield_controller.core.runs import (
    HeldRun,
    NotARunError,
    WholeRun,
    decode_partial,
    decode_whole,
    held_run,
)
from shield_controller.kubernetes.client import (
    JSON_PATCH,
    METADATA,
    METADATA_LIST,
    NO_ANSWER,
    KubernetesError,
    decode_answer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from shield_controller.core.release import Patch
    from shield_controller.kubernetes.client import KubernetesClient

GROUP: Final = "tekton.dev"
VERSION: Final = "v1"
KIND: Final = "PipelineRun"
_ROOT: Final = f"/apis/{GROUP}/{VERSION}"
_ALL: Final = f"{_ROOT}/pipelineruns"
# The API server's own clients use 500; metadata of runs is larger than that of most objects.
PAGE_RUNS: Final = 250
FIELD_MANAGER: Final = "etcd-shield-controller"
# The server ends a watch after this long; a dead connection is noticed a little later.
WATCH_SECONDS: Final = 60
WATCH_GRACE_SECONDS: Final = 15.0
EXPIRED: Final = 410  # the list or watch begins at a revision that is compacted: list again


class _ListMetadata(Struct, frozen=True):
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' name
    continue_: str = field(default="", name="continue")


class _Page(Struct, frozen=True):
    metadata: _ListMetadata
    items: tuple[msgspec.Raw, ...] | None = None  # the API server writes an empty list as null


class _Event(Struct, frozen=True):
    type: str
    object: msgspec.Raw


class _Bookmark(Struct, frozen=True):
    metadata: _ListMetadata


class _Status(Struct, frozen=True):
    code: int = NO_ANSWER
    message: str = ""


class Change(Struct, frozen=True, kw_only=True):
    """One change that a watch reports.

    Attributes:
        resource_version: the state after it, from which a next watch may begin.
        uid: the run's; empty for a bookmark.
        run: the held run; None if it is not held any more.
        is_new: whether the run entered the selection with this change.
    """

    resource_version: str
    uid: str = ""
    run: HeldRun | None = None
    is_new: bool = False


class PipelineRuns:
    """The PipelineRuns of a cluster."""

    def __init__(
        self,
        client: KubernetesClient,
        *,
        on_malformed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._on_malformed = on_malformed

    async def list_held(self) -> tuple[list[HeldRun], str]:
        """List all held runs, page by page.

        Returns:
            The runs, and the resource version from which to watch.

        Raises:
            KubernetesError: a page is missing.
        """
        runs: list[HeldRun] = []
        query = {"labelSelector": HELD_LABEL, "limit": str(PAGE_RUNS)}
        while True:
            answer = await self._client.request("GET", _ALL, query=query, accept=METADATA_LIST)
            page = decode_answer(answer, _Page)
            runs += [run for item in page.items or () if (run := self._held(item)) is not None]
            if not page.metadata.continue_:
                return runs, page.metadata.resourceVersion
            query["continue"] = page.metadata.continue_

    async def watch_held(self, resource_version: str) -> AsyncIterator[Change]:
        """Watch held runs until the server ends the watch.

        The first change is a bookmark of our own: the watch is open. On a quiet cluster nothing
        else would say so before the watch ends.

        Args:
            resource_version: where to begin.

        Raises:
            KubernetesError: the watch was refused or broke; `EXPIRED` asks for a new list.
        """
        query = {
            "labelSelector": HELD_LABEL,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        seconds = WATCH_SECONDS + WATCH_GRACE_SECONDS
        async with self._client.stream(
            _ALL, query=query, accept=METADATA, seconds=seconds
        ) as lines:
            yield Change(resource_version=resource_version)
            async for line in lines:
                change = self._change(decode_answer(line, _Event))
                if change is not None:
                    yield change

    async def read(self, namespace: str, name: str) -> tuple[WholeRun, HeldRun | None]:
        """Read one run in full.

        Returns:
            The run, and the same as a held run if it is one.

        Raises:
            KubernetesError: it is not there, or was not sent.
            NotARunError: it has another form.
        """
        whole = decode_whole(await self._client.request("GET", _path(namespace, name)))
        return whole, held_run(whole.metadata)

    async def patch(self, run: HeldRun, patch: Patch) -> HeldRun | None:
        """Apply a JSON Patch; the answer carries metadata only.

        Returns:
            The run, if it is held all the same: a webhook may have put back what was removed.

        Raises:
            KubernetesError: the patch was not applied, or the answer got lost.
        """
        answer = await self._client.request(
            "PATCH",
            _path(run.namespace, run.name),
            query={"fieldManager": FIELD_MANAGER},
            body=patch,
            content_type=JSON_PATCH,
            accept=METADATA,
        )
        try:
            return held_run(decode_partial(answer))
        except NotARunError as error:
            raise KubernetesError(NO_ANSWER, str(error)) from error

    def _change(self, event: _Event) -> Change | None:
        if event.type == "ERROR":
            status = decode_answer(event.object, _Status)
            raise KubernetesError(status.code, status.message or "the watch failed")
        if event.type == "BOOKMARK":
            bookmark = decode_answer(event.object, _Bookmark)
            return Change(resource_version=bookmark.metadata.resourceVersion)
        try:
            metadata = decode_partial(event.object)
        except NotARunError:
            self._on_malformed()
            return None
        return Change(
            resource_version=metadata.resourceVersion,
            uid=metadata.uid,
            run=None if event.type == "DELETED" else held_run(metadata),
            is_new=event.type == "ADDED",
        )

    def _held(self, item: msgspec.Raw) -> HeldRun | None:
        try:
            return held_run(decode_partial(item))
        except NotARunError:
            self._on_malformed()
            return None


def _path(namespace: str, name: str) -> str:
    return f"{_ROOT}/namespaces/{quote(namespace, safe='')}/pipelineruns/{quote(name, safe='')}"
