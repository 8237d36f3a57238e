"""The store on Redis.

Belongs here: the operations as commands and scripts. A connection that failed is closed as a whole,
so that the next operation uses fresh sockets, credentials, certificates, addresses and, with
Sentinel, the present master.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis.exceptions as redis_errors
from redis.asyncio import RedisCluster

from shield_common.store import scripts
from shield_common.store.admitted import MAX_ITEM_BYTES, decode_totals
from shield_common.store.connection import (
    Connection,
    RedisSubscription,
    acknowledged,
    connect,
)
from shield_common.store.errors import (
    ERRORS,
    breaks_connection,
    kind_of,
    translated,
)
from shield_common.store.keys import Keys, held_field
from shield_common.store.protocol import (
    MAX_COUNT_FIELDS,
    AdmittedTotals,
    Claim,
    Publication,
    PublishAnswer,
    PublishResult,
    StoredDocument,
    StoreError,
    UnclearError,
)
from shield_common.store.settings import MAX_TIMEOUT, RedisSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
    from contextlib import AbstractAsyncContextManager


T = TypeVar("T")

_EXPIRED: Final = -2  # PTTL of a key that does not exist

# One operation takes at most MAX_TIMEOUT, including closing the sockets that it failed on: a TLS
# shutdown would wait for the answer of a frozen server.
_CLOSE_SECONDS: Final = 0.2
_COMMAND_SECONDS: Final = MAX_TIMEOUT - _CLOSE_SECONDS


class RedisStore:
    """A client of one Redis, Sentinel group or Redis Cluster; fulfils ``store.protocol.Store``."""

    def __init__(self, settings: RedisSettings, *, cluster: str) -> None:
        self._settings = settings
        self._keys = Keys(cluster)
        self._connection: Connection | None = None
        # By default redis-py asks a single node of a Redis Cluster.
        self._on_all_nodes: dict[str, Any] = (
            {"target_nodes": RedisCluster.ALL_NODES} if settings.cluster else {}
        )

    async def read_decision(self) -> StoredDocument | None:
        """See `DecisionReader`."""
        return await self._stored(self._keys.decision)

    def subscribe_decisions(self) -> AbstractAsyncContextManager[RedisSubscription]:
        """See `DecisionReader`."""
        return self._subscribe(self._keys.decision, skip_empty=True)

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

    async def publish(self, publication: Publication) -> PublishAnswer:
        """See `DecisionWriter`."""
        keys = self._keys
        result, receivers = await self._script(
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
        return PublishAnswer(PublishResult(bytes(result).decode()), receivers=int(receivers))

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

    def subscribe_overrides(self) -> AbstractAsyncContextManager[RedisSubscription]:
        """See `OverrideStore`."""
        return self._subscribe(self._keys.override)

    async def add_admitted(self, counts: Mapping[str, int]) -> None:
        """See `AdmittedCounter`."""
        if not counts:
            return
        await self._wake()
        answers: list[Any] = []

        async def add(connection: Connection) -> None:
            pipeline = connection.client.pipeline(transaction=False)
            for field, count in counts.items():
                pipeline.hincrby(self._keys.admitted, field, count)
            answers.extend(await pipeline.execute(raise_on_error=False))
            if all(isinstance(answer, Exception) for answer in answers):
                raise answers[0]  # in here, so that a connection to a replica is dropped

        try:
            with translated():
                async with asyncio.timeout(_COMMAND_SECONDS):
                    await self._try(add)
        except StoreError as error:
            if answers:
                raise
            raise UnclearError(error.kind, str(error)) from error
        refused = next((answer for answer in answers if isinstance(answer, Exception)), None)
        if refused is not None:
            raise UnclearError(kind_of(refused), f"some counts were refused: {refused}")

    async def read_admitted(self) -> AdmittedTotals:
        """See `AdmittedCounter`."""
        key = self._keys.admitted
        try:
            number, *items = await self._script(
                scripts.READ_ADMITTED, (key,), MAX_COUNT_FIELDS, MAX_ITEM_BYTES
            )
        except StoreError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return AdmittedTotals({}, (f"{key} is not a hash",))
        if int(number) > MAX_COUNT_FIELDS:
            problem = f"{key} has {int(number)} fields, at most {MAX_COUNT_FIELDS} are read"
            return AdmittedTotals({}, (problem,))
        return decode_totals(items)

    async def remove_admitted(self, fields: Collection[str]) -> None:
        """See `AdmittedCounter`."""
        if fields:
            key = self._keys.admitted
            await self._run(lambda connection: connection.client.hdel(key, *fields))

    async def read_held_report(self) -> StoredDocument | None:
        """See `HeldReportReader`."""
        return await self._stored(self._keys.held)

    async def read_held_counts(self, tiers: Collection[str]) -> Mapping[str, int]:
        """See `HeldReportWriter`."""
        if not tiers:
            return {}
        key, fields = self._keys.admitted, [held_field(tier) for tier in tiers]
        try:
            values: Any = await self._run(lambda connection: connection.client.hmget(key, fields))
        except StoreError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return {}
        items: list[bytes] = []
        for field, value in zip(fields, values, strict=True):
            if value is not None:
                items += [field.encode(), value[:MAX_ITEM_BYTES]]
        return decode_totals(items).held

    async def write_held_report(self, document: bytes, ttl_ms: int) -> None:
        """See `HeldReportWriter`."""
        key = self._keys.held
        await self._run(lambda connection: connection.client.set(key, document, px=ttl_ms))

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

    async def _wake(self) -> None:
        """Replace an idle socket that Redis closed meanwhile, while nothing can be unclear.

        A PING that is forbidden or renamed away is answered too, and the socket works.
        """
        try:
            await self._run(lambda connection: connection.client.ping(**self._on_all_nodes))
        except StoreError as error:
            if error.kind != "permission":
                raise

    async def _run(self, command: Callable[[Connection], Awaitable[T]]) -> T:
        """Run one command within the time limit; it must be harmless to send it twice."""
        with translated():
            async with asyncio.timeout(_COMMAND_SECONDS):
                try:
                    return await self._try(command)
                except redis_errors.ConnectionError as error:
                    if kind_of(error) != "connection":
                        raise
                    # An idle socket that Redis closed earlier says nothing about Redis now.
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
                # Another operation may have replaced it already; the new one is not to be dropped.
                if self._connection is connection:
                    self._connection = None
                await _close(connection)
            raise

    @asynccontextmanager
    async def _subscribe(
        self, channel: str, *, skip_empty: bool = False
    ) -> AsyncIterator[RedisSubscription]:
        connection: Connection | None = None
        try:
            with translated():
                async with asyncio.timeout(_COMMAND_SECONDS):
                    connection = connect(self._settings)
                    pubsub = await connection.pubsub()
                    await pubsub.subscribe(channel)
                    await acknowledged(pubsub)
            yield RedisSubscription(pubsub, skip_empty=skip_empty)
        finally:
            if connection is not None:
                await _close(connection)


async def _close(connection: Connection) -> None:
    """Close a connection's sockets; whether Redis answers does not matter."""
    with suppress(*ERRORS):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()
