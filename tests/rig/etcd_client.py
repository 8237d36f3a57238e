"""The few etcd calls that tests and the demo need, over etcd's own JSON gateway.

Messages and field names: https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/
where 64-bit integers are text, byte strings base64, and fields that are zero are left out.
"""

import base64
import io
from dataclasses import dataclass
from typing import Any

import aiohttp
import msgspec

from tests.rig.errors import RigError
from tests.rig.probing import silence_as_no_answer

_CALL_LIMIT = aiohttp.ClientTimeout(total=5.0)
# Defragmenting copies the whole file before it answers.
_DEFRAGMENT_LIMIT = aiohttp.ClientTimeout(total=60.0)
_NOSPACE_MESSAGE = "database space exceeded"
_COMPACTED_MESSAGE = "required revision has been compacted"


class EtcdError(RigError):
    """etcd refused a request; the message is etcd's own."""


class NoSpaceError(EtcdError):
    """etcd takes no writes: its file reached the quota."""


@dataclass(frozen=True, kw_only=True)
class EtcdStatus:
    """The status of one member.

    Attributes:
        db_size: Bytes of its database file; the quota is enforced on this.
        db_size_in_use: Bytes of it that hold live data.
        revision: The newest revision it has.
        leader: The leader's member id, 0 without one.
    """

    db_size: int
    db_size_in_use: int
    revision: int
    leader: int


class EtcdClient:
    """Calls to one member. Each raises NoAnswerError without an answer, and EtcdError on a refusal.

    Args:
        http: Does the requests.
        url: The member's client URL.
    """

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url

    async def put(self, key: str, value: bytes) -> int:
        """Store a value and return the revision that holds it.

        Raises:
            NoSpaceError: The quota is reached.
            EtcdError: It was refused otherwise.
        """
        answer = await self._call("kv/put", {"key": _encoded(key), "value": _encoded(value)})
        return int(answer["header"]["revision"])

    async def get(self, key: str) -> bytes | None:
        """Return a value, None if there is none."""
        answer = await self._call("kv/range", {"key": _encoded(key)})
        found = answer.get("kvs", [])
        return base64.b64decode(found[0].get("value", "")) if found else None

    async def count(self, prefix: str) -> int:
        """Return how many keys begin with `prefix`."""
        span = {"key": _encoded(prefix), "range_end": _encoded(_after(prefix)), "count_only": True}
        answer = await self._call("kv/range", span)
        return int(answer.get("count", 0))

    async def delete_range(self, first: str, before: str) -> int:
        """Delete the keys from `first` up to but not including `before`; return how many."""
        span = {"key": _encoded(first), "range_end": _encoded(before)}
        answer = await self._call("kv/deleterange", span)
        return int(answer.get("deleted", 0))

    async def delete_prefix(self, prefix: str) -> int:
        """Delete every key that begins with `prefix`; return how many."""
        return await self.delete_range(prefix, _after(prefix))

    async def compact(self, revision: int | None = None) -> None:
        """Compact the revisions before `revision` (default: all but the newest), and wait.

        etcd counts freed pages one write transaction late: while it is idle, `db_size_in_use` and
        the metric of the same meaning fall only with the next writes.

        Raises:
            EtcdError: The given revision was compacted before. For the newest, that is no error.
        """
        target = (await self.status()).revision if revision is None else revision
        try:
            await self._call("kv/compaction", {"revision": str(target), "physical": True})
        except EtcdError as error:
            if revision is not None or _COMPACTED_MESSAGE not in str(error):
                raise

    async def defragment(self) -> None:
        """Rewrite the database file without its free pages; the member blocks meanwhile."""
        await self._call("maintenance/defragment", {}, limit=_DEFRAGMENT_LIMIT)

    async def status(self) -> EtcdStatus:
        """Return the status of this member."""
        answer = await self._call("maintenance/status", {})
        return EtcdStatus(
            db_size=int(answer.get("dbSize", 0)),
            db_size_in_use=int(answer.get("dbSizeInUse", 0)),
            revision=int(answer["header"].get("revision", 0)),
            leader=int(answer.get("leader", 0)),
        )

    async def alarms(self) -> frozenset[str]:
        """Return the alarms that any member has raised, e.g. `NOSPACE`."""
        answer = await self._call("maintenance/alarm", {"action": "GET"})
        return frozenset(alarm["alarm"] for alarm in answer.get("alarms", []))

    async def disarm(self, alarm: str) -> None:
        """Disarm an alarm on every member that raised it."""
        raised = await self._call("maintenance/alarm", {"action": "GET"})
        for entry in raised.get("alarms", []):
            if alarm == entry["alarm"]:
                await self._call("maintenance/alarm", {"action": "DEACTIVATE", **entry})

    async def _call(
        self, path: str, body: dict[str, Any], *, limit: aiohttp.ClientTimeout = _CALL_LIMIT
    ) -> dict[str, Any]:
        url = f"{self._url}/v3/{path}"
        # A file, as aiohttp wants it: large values would be sent in one go otherwise.
        data = io.BytesIO(msgspec.json.encode(body))
        with silence_as_no_answer(self._url):
            async with self._http.post(url, data=data, timeout=limit) as response:
                status, text = response.status, await response.read()
        try:
            answer: dict[str, Any] = msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise EtcdError(f"etcd answered {status} to {path}") from error
        if status == 200:
            return answer
        message = answer.get("message") or answer.get("error") or f"status {status}"
        raise (NoSpaceError if _NOSPACE_MESSAGE in message else EtcdError)(message)


def _encoded(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    return base64.b64encode(raw).decode()


def _after(prefix: str) -> str:
    # The first key that sorts after every key with this prefix. Keys here are ASCII.
    return prefix[:-1] + chr(ord(prefix[-1]) + 1)
