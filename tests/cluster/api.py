"""Requests to the node's API server, as its administrator or as somebody else."""

import io
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.e2e.apiserver import Object, Reply
from tests.rig.errors import RigError
from tests.rig.waiting import wait_until

# The webhook's timeout, with retries, on a busy machine.
_CALL = aiohttp.ClientTimeout(total=60)
_MERGE = "application/merge-patch+json"


class RefusedError(RigError):
    """The API server refused what a test needs; the message is its own."""


class Api:
    """What the tests ask the API server for. No method raises for a status that it returns.

    Args:
        http: Does the requests.
        url: The API server's base URL.
        trust: Its CA and the administrator's certificate.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, trust: ssl.SSLContext) -> None:
        self._http = http
        self._url = url
        self._trust = trust

    async def get(self, path: str) -> Reply:
        """Get what is at a path."""
        return await self._call("GET", path)

    async def items(self, path: str) -> list[Object]:
        """Return the items of the list at a path.

        Raises:
            RefusedError: There is no such list.
        """
        found: list[Object] = (await self._expected("GET", path)).body["items"]
        return found

    async def text(self, path: str) -> str:
        """Return what is at a path, as text.

        Raises:
            RefusedError: It was refused.
        """
        return (await self._expected("GET", path)).message

    async def create(
        self, thing: Object, *, dry_run: bool = False, user: str | None = None
    ) -> Reply:
        """Create an object, as another user if asked."""
        query = {"dryRun": "All"} if dry_run else {}
        headers = {} if user is None else {"Impersonate-User": user}
        return await self._call(
            "POST", _collection(thing), body=thing, query=query, headers=headers
        )

    async def apply(self, *things: Object) -> None:
        """Create objects, or replace them by server-side apply.

        Raises:
            RefusedError: One was refused.
        """
        for thing in things:
            path = f"{_collection(thing)}/{thing['metadata']['name']}"
            await self._expected(
                "PATCH", path, body=thing, query={"fieldManager": "tests", "force": "true"},
                headers={"Content-Type": "application/apply-patch+yaml"},
            )  # fmt: skip

    async def patch(self, path: str, change: Object) -> Reply:
        """Merge a change into what is at a path."""
        return await self._call("PATCH", path, body=change, headers={"Content-Type": _MERGE})

    async def delete(self, path: str, *, grace: int | None = None) -> Reply:
        """Delete what is at a path, collections too."""
        query = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        return await self._call("DELETE", path, query=query)

    async def wait_gone(self, path: str, *, within: float) -> None:
        """Wait until nothing is at a path any more."""

        async def gone() -> bool:
            return HTTPStatus.NOT_FOUND == (await self.get(path)).status

        await wait_until(gone, within=within, what=f"{path} to be gone", every=0.3)

    async def _expected(self, method: str, path: str, **rest: Any) -> Reply:
        reply = await self._call(method, path, **rest)
        if reply.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
            raise RefusedError(f"{method} {path}: {reply.status} {reply.message}")
        return reply

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        async with self._http.request(
            method,
            f"{self._url}{path}",
            # A stream, because aiohttp warns of large bodies that are not.
            data=None if body is None else io.BytesIO(json.dumps(body).encode()),
            params=query,
            headers={"Content-Type": "application/json", **(headers or {})},
            ssl=self._trust,
            timeout=_CALL,
        ) as response:
            text = await response.text()
            warnings = tuple(response.headers.getall("Warning", ()))
        parsed = json.loads(text) if text.startswith("{") else {"message": text}
        return Reply(status=response.status, body=parsed, warnings=warnings)


_CLUSTER_WIDE = {
    "Namespace", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "Node",
}  # fmt: skip


def _collection(thing: Object) -> str:
    version, kind = thing["apiVersion"], thing["kind"]
    group = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    namespace = "" if kind in _CLUSTER_WIDE else f"/namespaces/{thing['metadata']['namespace']}"
    return f"{group}{namespace}/{kind.lower()}s"
