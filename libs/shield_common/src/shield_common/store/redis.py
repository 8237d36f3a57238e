"""The store on Redis.

Belongs here: the verbs as commands and scripts. A connection that failed is thrown away whole, so
that the next verb meets fresh sockets, credentials, certificates, names and, with Sentinel, the
present master.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis.exceptions as redis_errors
from redis.asyncio import RedisCluster

from shield_common.store import scripts
from shield_common.store.connection import MAX_TIMEOUT, Connection, RedisSettings, connect
from shield_common.store.errors import (
    ERRORS,
    breaks_connection,
    kind_of,
    translated,
)
from shield_common.store.keys import Keys
from shield_common.store.protocol import (
    Claim,
    Publication,
    PublishResult,
    StoredDocument,
    StoreError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from redis.asyncio.client import PubSub

T = TypeVar("T")

_EXPIRED: Final = -2  # PTTL of a key that is not there

# One verb takes at most MAX_TIMEOUT, and that includes throwing away the sockets it failed on:
# saying goodbye to a frozen server over TLS would wait for its answer.
_CLOSE_SECONDS: Final = 0.2
_COMMAND_SECONDS: Final = MAX_TIMEOUT - _CLOSE_SECONDS


class RedisStore:
    """A client of one Redis, Sentinel group or Redis Cluster; fulfils ``store.protocol.Store``."""

    def __init__(self, settings: RedisSettings, *, cluster: str) -> None:
        self._settings = settings
        self._keys = Keys.of(cluster)
        self._connection: Connection | None = None
        # redis-py asks a single node of a Redis Cluster unless told.
        self._on_all_nodes: dict[str, Any] = (
            {"target_nodes": RedisCluster.ALL_NODES} if settings.cluster else {}
        )

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
        try:
            info: Any = await self._run(
                lambda connection: connection.client.info("memory", **self._on_all_nodes)
            )
        except StoreError as error:
            if error.kind == "permission":
                return None
            raise
        if self._settings.cluster:  # then it is one answer per node; any that evicts does harm
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
        answers: Any = await self._run(
            lambda connection: connection.client.pubsub_numsub(channel, **self._on_all_nodes)
        )
        return sum(int(count) for _, count in answers)

    async def close(self) -> None:
        """See `Store`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)

    async def _stored(self, key: str) -> StoredDocument | None:
        async def read(connection: Connection) -> list[Any]:
            pipeline = connection.client.pipeline(transaction=False)
            pipeline.get(key)
            pipeline.pttl(key)
            answers: list[Any] = await pipeline.execute()
            return answers

        document, remaining = await self._run(read)
        if document is None or remaining == _EXPIRED:  # in between the two
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
        with translated():
            async with asyncio.timeout(_COMMAND_SECONDS):
                try:
                    return await self._try(command)
                except redis_errors.ConnectionError as error:
                    if kind_of(error) != "connection":
                        raise
                    # An idle socket that Redis closed meanwhile says nothing about Redis now.
                    return await self._try(command)

    async def _try(self, command: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one command; a connection that failed with it is not used again."""
        connection = self._connection
        if connection is None:
            connection = self._connection = connect(self._settings)
        try:
            return await command(connection)
        except BaseException as error:
            if breaks_connection(error):
                # Another verb may have replaced it already, and then the new one is not ours.
                if self._connection is connection:
                    self._connection = None
                await _close(connection)
            raise

    @asynccontextmanager
    async def _subscribe(self, channel: str) -> AsyncIterator[_RedisSubscription]:
        connection: Connection | None = None
        try:
            with translated():
                async with asyncio.timeout(_COMMAND_SECONDS):
                    connection = connect(self._settings)
                    pubsub = await connection.pubsub()
                    await pubsub.subscribe(channel)
                    await _acknowledged(pubsub)
            yield _RedisSubscription(pubsub)
        finally:
            if connection is not None:
                await _close(connection)


class _RedisSubscription:
    """One channel's feed on a connection of its own."""

    def __init__(self, pubsub: PubSub) -> None:
        self._pubsub = pubsub

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (left := deadline - loop.time()) > 0:
            with translated():
                message = await self._pubsub.get_message(timeout=left)
            if message is not None and message["type"] == "message":
                data: bytes = message["data"]
                return data
        return None


async def _close(connection: Connection) -> None:
    """Drop a connection's sockets; whether Redis says goodbye does not matter."""
    with suppress(*ERRORS):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()


async def _acknowledged(pubsub: PubSub) -> None:
    """Wait until Redis confirms: from then on no message is missed."""
    while True:
        message = await pubsub.get_message(timeout=MAX_TIMEOUT)
        if message is not None and message["type"] == "subscribe":
            return
