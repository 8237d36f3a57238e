"""Requests to a Kubernetes API server, as its administrator or as somebody else."""

import io
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp

from tests.rig.errors import RigError
from tests.rig.waiting import wait_until

# The webhook's timeout, up to ten times, and a busy machine.
_CALL = aiohttp.ClientTimeout(total=60)
_LONGEST_LINE = 4 * 1024 * 1024  # of a watch: an object of 3 MiB, and more
_MERGE = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_CLUSTER_WIDE = {
    "APIService", "ClusterPolicy", "ClusterQueue", "ClusterRole", "ClusterRoleBinding",
    "CustomResourceDefinition", "MutatingWebhookConfiguration", "Namespace", "Node",
    "PriorityClass", "ResourceFlavor", "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding", "ValidatingPolicy", "ValidatingWebhookConfiguration",
}  # fmt: skip

Object = dict[str, Any]


class RefusedError(RigError):
    """The API server refused what a test needs; the message is its own."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer of the API server.

    Attributes:
        status: HTTP status.
        body: The object, or the `Status` with the reason of a refusal.
        warnings: Texts of its Warning headers.
        text: The answer as it came.
    """

    status: int
    body: Object
    warnings: tuple[str, ...] = ()
    text: str = ""

    @property
    def message(self) -> str:
        """The message of a `Status`."""
        return str(self.body.get("message", ""))


class KubernetesApi:
    """What the tests ask an API server for.

    A method raises for a status only where it says so. One whose name begins with `wait` polls.

    Args:
        http: The session that sends the requests.
        url: The API server's base URL.
        trust: Its CA and the administrator's certificate.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str, trust: ssl.SSLContext) -> None:
        self._http = http
        self._url = url
        self._trust = trust

    async def get(self, path: str) -> Reply:
        """Get the object or list at a path."""
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
        return (await self._expected("GET", path)).text

    async def create(
        self,
        thing: Object,
        *,
        namespace: str | None = None,
        user: str | None = None,
        group: str | None = None,
        dry_run: bool = False,
    ) -> Reply:
        """Create an object, as another user if asked.

        Args:
            thing: The object; `generateName` lets the API server choose its name.
            namespace: Where, if its metadata do not name a namespace.
            user: A user name to impersonate.
            group: The only group of that user, besides those of everybody.
            dry_run: Whether nothing is stored.
        """
        headers = {} if user is None else {"Impersonate-User": user}
        if group is not None:
            headers["Impersonate-Group"] = group
        query = {"fieldManager": "tests", **({"dryRun": "All"} if dry_run else {})}
        path = collection_of(thing, namespace)
        return await self._call("POST", path, body=thing, query=query, headers=headers)

    async def apply(self, *things: Object) -> None:
        """Create objects, or replace them by server-side apply.

        Raises:
            RefusedError: One was refused.
        """
        for thing in things:
            path = f"{collection_of(thing)}/{thing['metadata']['name']}"
            await self._expected(
                "PATCH", path, body=thing, query={"fieldManager": "tests", "force": "true"},
                headers={"Content-Type": _APPLY},
            )  # fmt: skip

    async def patch(self, path: str, change: Object) -> Reply:
        """Merge a change into the object at a path."""
        return await self._call("PATCH", path, body=change, headers={"Content-Type": _MERGE})

    async def events(self, path: str, *, since: int) -> list[Object]:
        """Return what happened to a list's objects after a revision, until now."""
        query = {"watch": "1", "resourceVersion": str(since), "timeoutSeconds": "1"}
        text = (await self._call("GET", path, query=query)).text
        return [json.loads(line) for line in text.splitlines()]

    async def watch(self, path: str, *, since: str) -> AsyncIterator[Object]:
        """Yield what happens to a list's objects after a version, until the connection ends.

        Raises:
            RefusedError: It was refused, or the version is too old.
        """
        async with self._http.get(
            f"{self._url}{path}",
            params={"watch": "1", "resourceVersion": since},
            ssl=self._trust,
            timeout=aiohttp.ClientTimeout(),
            read_bufsize=_LONGEST_LINE,
        ) as response:
            if response.status != HTTPStatus.OK:
                raise RefusedError(f"watching {path}: {response.status} {await response.text()}")
            async for line in response.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise RefusedError(f"watching {path}: {event['object']['message']}")
                yield event

    async def delete(self, path: str, *, grace: int | None = None) -> Reply:
        """Delete the object or collection at a path, after `grace` seconds if that is given."""
        query = {} if grace is None else {"gracePeriodSeconds": str(grace)}
        return await self._call("DELETE", path, query=query)

    async def wait_gone(self, path: str, *, within: float) -> None:
        """Wait until there is nothing at a path any more."""

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
            is_json = "application/json" == response.content_type
        # Logs and watches have an object in each line.
        is_object = is_json and (query is None or "watch" not in query)
        parsed = json.loads(text) if is_object else {"message": text}
        return Reply(status=response.status, body=parsed, warnings=warnings, text=text)


def collection_of(thing: Object, namespace: str | None = None) -> str:
    """Return the path of the collection that an object belongs to."""
    version, kind = thing["apiVersion"], thing["kind"]
    group = f"/api/{version}" if "/" not in version else f"/apis/{version}"
    place = "" if kind in _CLUSTER_WIDE else _place(thing["metadata"].get("namespace", namespace))
    return f"{group}{place}/{_plural(kind.lower())}"


def _place(namespace: str) -> str:
    return f"/namespaces/{namespace}"


def _plural(kind: str) -> str:
    if kind.endswith("y"):
        return f"{kind[:-1]}ies"
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"
