"""The store on Redis.

Belongs here: the verbs as commands and scripts, and Redis' errors as `StoreError`. A connection
that failed is thrown away whole, so that the next verb meets fresh sockets, credentials,
certificates, names and, with Sentinel, the present master.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis.exceptions as redis_errors

from shield_common.store import scripts
from shield_common.store.connection import MAX_TIMEOUT, Connection, RedisSettings, connect
from shield_common.store.keys import Keys
from shield_common.store.protocol import (
    Claim,
    Publication,
    PublishResult,
    StoredDocument,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from redis.asyncio.client import PubSub

T = TypeVar("T")

# Redis names most of its errors in the first word of the message, redis-py in the class.
_KIND_BY_PREFIX: Final = (
    ("OOM", "out_of_memory"),
    ("LOADING", "loading"),
    ("READONLY", "read_only"),
    ("NOPERM", "permission"),
    ("NOAUTH", "authentication"),
    ("WRONGPASS", "authentication"),
    ("max number of clients", "too_many_clients"),
)
_KIND_BY_CLASS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (redis_errors.OutOfMemoryError, "out_of_memory"),
    (redis_errors.BusyLoadingError, "loading"),
    (redis_errors.ReadOnlyError, "read_only"),
    (redis_errors.NoPermissionError, "permission"),
    (redis_errors.AuthenticationError, "authentication"),
    (redis_errors.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (redis_errors.ConnectionError, "connection"),
    (OSError, "connection"),
)


class RedisStore:
    """A client of one Redis, Sentinel group or Redis Cluster; fulfils ``store.protocol.Store``."""

    def __init__(self, settings: RedisSettings, *, cluster: str) -> None:
        self._settings = settings
        self._keys = Keys.of(cluster)
        self._connection: Connection | None = None

    async def read_decision(self) -> StoredDocument | None:
        """See `DecisionReader`."""
        return await self._stored(self._keys.decision)

    @asynccontextmanager
    async def subscribe_decisions(self) -> AsyncIterator[_RedisSubscription]:
        """See `DecisionReader`."""
        async with self._subscribe(self._keys.decision) as subscription:
            yield subscription

    async def claim_lease(
        self, holder: str, lease_ms: int, *, above: int = 0, after_loss: bool = True
    ) -> Claim:
        """See `DecisionWriter`."""
        keys = (self._keys.lease, self._keys.epoch)
        held, epoch, taken, previous = await self._script(
            scripts.CLAIM_LEASE, keys, holder, lease_ms, above, int(after_loss)
        )
        return Claim(
            held=bool(held), epoch=int(epoch), taken=bool(taken), previous_epoch=int(previous)
        )

    async def publish(self, publication: Publication) -> PublishResult:
        """See `DecisionWriter`."""
        keys = self._keys
        result: bytes = await self._script(
            scripts.PUBLISH,
            (keys.lease, keys.epoch, keys.decision, keys.allow, keys.latches),
            publication.holder,
            publication.epoch,
            publication.lease_ms,
            publication.document,
            publication.ttl_ms,
            int(publication.allow),
            publication.latches,
            keys.decision,
        )
        return PublishResult(result.decode())

    async def release_lease(self, holder: str) -> bool:
        """See `DecisionWriter`."""
        return bool(await self._script(scripts.RELEASE_LEASE, (self._keys.lease,), holder))

    async def read_latches(self) -> bytes | None:
        """See `DecisionWriter`."""
        return await self._get(self._keys.latches)

    async def eviction_policy(self) -> str | None:
        """See `DecisionWriter`."""
        info: Any = await self._run(lambda connection: connection.client.info("memory"))
        if self._settings.cluster and "maxmemory_policy" not in info:
            # A cluster client answers per node; any node that evicts would do harm.
            policies = sorted({str(node.get("maxmemory_policy")) for node in info.values()})
            return next((policy for policy in policies if policy != "noeviction"), "noeviction")
        policy = info.get("maxmemory_policy")
        return None if policy is None else str(policy)

    async def read_override(self) -> StoredDocument | None:
        """See `OverrideStore`."""
        return await self._stored(self._keys.override)

    async def put_override(self, document: bytes, ttl_ms: int) -> None:
        """See `OverrideStore`."""
        key = self._keys.override
        await self._script(scripts.PUT_OVERRIDE, (key,), document, ttl_ms, key)

    async def clear_override(self) -> bool:
        """See `OverrideStore`."""
        key = self._keys.override
        return bool(await self._script(scripts.CLEAR_OVERRIDE, (key,), key))

    @asynccontextmanager
    async def subscribe_overrides(self) -> AsyncIterator[_RedisSubscription]:
        """See `OverrideStore`."""
        async with self._subscribe(self._keys.override) as subscription:
            yield subscription

    async def lease_holder(self) -> str | None:
        """See `StatusReader`."""
        holder = await self._get(self._keys.lease)
        return None if holder is None else holder.decode(errors="replace")

    async def count_subscribers(self) -> int:
        """See `StatusReader`."""
        channel = self._keys.decision
        answers: Any = await self._run(lambda connection: connection.client.pubsub_numsub(channel))
        return sum(int(count) for _, count in answers)

    async def close(self) -> None:
        """See `Store`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _stored(self, key: str) -> StoredDocument | None:
        async def read(connection: Connection) -> list[Any]:
            pipeline = connection.client.pipeline(transaction=False)
            pipeline.get(key)
            pipeline.pttl(key)
            answers: list[Any] = await pipeline.execute()
            return answers

        document, remaining = await self._run(read)
        if document is None:
            return None
        return StoredDocument(document, remaining if remaining >= 0 else None)

    async def _get(self, key: str) -> bytes | None:
        # The client does not decode, so what its types call str is bytes.
        value: Any = await self._run(lambda connection: connection.client.get(key))
        return None if value is None else bytes(value)

    async def _script(
        self, script: str, keys: tuple[str, ...], *arguments: str | bytes | int
    ) -> Any:  # noqa: ANN401 - each script has its own answer
        def run(connection: Connection) -> Awaitable[Any]:
            answer: Awaitable[Any] = connection.client.eval(script, len(keys), *keys, *arguments)
            return answer

        return await self._run(run)

    async def _run(self, command: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one command within the time limit; all of them may be sent twice without harm."""
        try:
            async with asyncio.timeout(MAX_TIMEOUT):
                try:
                    return await command(self._open())
                except redis_errors.ConnectionError as error:
                    if _kind(error) != "connection":
                        raise
                    # An idle socket that Redis closed meanwhile says nothing about Redis now.
                    await self.close()
                    return await command(self._open())
        except (redis_errors.RedisError, OSError) as error:
            await self._discard(error)
            raise _store_error(error) from error

    def _open(self) -> Connection:
        if self._connection is None:
            self._connection = connect(self._settings)
        return self._connection

    async def _discard(self, error: Exception) -> None:
        if _kind(error) not in {"out_of_memory", "permission", "other"}:
            await self.close()

    @asynccontextmanager
    async def _subscribe(self, channel: str) -> AsyncIterator[_RedisSubscription]:
        connection = connect(self._settings)
        try:
            with _translated():
                pubsub = connection.pubsub()
                async with asyncio.timeout(MAX_TIMEOUT):
                    await pubsub.subscribe(channel)
                    await _acknowledged(pubsub)
            yield _RedisSubscription(pubsub)
        finally:
            await connection.close()


class _RedisSubscription:
    """One channel's feed on a connection of its own."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (left := deadline - loop.time()) > 0:
            with _translated():
                message = await self._pubsub.get_message(timeout=left)
            if message is not None and message["type"] == "message":
                data: bytes = message["data"]
                return data
        return None


async def _acknowledged(pubsub: PubSub) -> None:
    """Wait until Redis confirms: from then on no message is missed."""
    while True:
        message = await pubsub.get_message(timeout=MAX_TIMEOUT)
        if message is not None and message["type"] == "subscribe":
            return


@contextmanager
def _translated() -> Iterator[None]:
    """Raise Redis' and the socket's errors as `StoreError`."""
    try:
        yield
    except (redis_errors.RedisError, OSError) as error:
        raise _store_error(error) from error


def _kind(error: Exception) -> str:
    text = str(error)
    for prefix, kind in _KIND_BY_PREFIX:
        if prefix in text[:64]:
            return kind
    return next((kind for cls, kind in _KIND_BY_CLASS if isinstance(error, cls)), "other")


def _store_error(error: Exception) -> StoreError:
    return StoreError(_kind(error), f"{type(error).__name__}: {error}")
