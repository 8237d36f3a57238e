"""The store on Redis.

Belongs here: the operations as commands and scripts. A connection that failed is closed as a whole,
so that the next operation uses fresh sockets, credentials, certificates, addresses and, with
Sentinel, the present master. A malformed answer is a failure of its connection, too: what follows
on it may belong to another command.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import redis.exceptions as redis_errors
from redis.asyncio import RedisCluster

from shield_common.store import answers, scripts
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
        arguments = (holder, lease_ms, above, int(after_loss))
        return await self._script(scripts.CLAIM_LEASE, keys, *arguments, read=answers.claim)

    async def publish(self, publication: Publication) -> PublishAnswer:
        """See `DecisionWriter`."""
        keys = self._keys
        return await self._script(
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
            read=answers.publish_answer,
        )

    async def release_lease(self, holder: str) -> bool:
        """See `DecisionWriter`."""
        keys = (self._keys.lease,)
        return await self._script(
            scripts.RELEASE_LEASE, keys, holder, read=_done("releases the lease")
        )

    async def read_latches(self) -> bytes | None:
        """See `DecisionWriter`."""
        return await self._get(self._keys.latches)

    async def eviction_policy(self) -> str | None:
        """See `DecisionWriter`."""
        try:
            return await self._run(
                lambda connection: connection.client.info("memory", **self._on_all_nodes),
                read=self._policy,
            )
        except StoreError as error:
            if error.kind == "permission":
                return None
            raise

    def _policy(self, info: Any) -> str | None:  # noqa: ANN401 - redis-py's reading of INFO
        nodes = list(info.values()) if self._settings.cluster else [info]
        if not all(isinstance(node, dict) for node in nodes):
            raise answers.malformed("INFO memory", info, "a text of fields")
        if self._settings.cluster:  # then it is one answer per node; any that evicts does harm
            policies = sorted({str(node.get("maxmemory_policy")) for node in nodes})
            return next((policy for policy in policies if policy != "noeviction"), "noeviction")
        policy = info.get("maxmemory_policy")
        return None if policy is None else str(policy)

    async def read_override(self) -> StoredDocument | None:
        """See `OverrideStore`."""
        return await self._stored(self._keys.override)

    async def put_override(self, document: bytes, ttl_ms: int) -> None:
        """See `OverrideStore`."""
        key = self._keys.override
        read = _done("sets the override")
        await self._script(scripts.PUT_OVERRIDE, (key,), document, ttl_ms, key, read=read)

    async def clear_override(self) -> bool:
        """See `OverrideStore`."""
        key = self._keys.override
        read = _done("clears the override")
        return await self._script(scripts.CLEAR_OVERRIDE, (key,), key, read=read)

    def subscribe_overrides(self) -> AbstractAsyncContextManager[RedisSubscription]:
        """See `OverrideStore`."""
        return self._subscribe(self._keys.override)

    async def add_admitted(self, counts: Mapping[str, int]) -> None:
        """See `AdmittedCounter`."""
        if not counts:
            return
        await self._wake()
        key = self._keys.admitted
        refusals: list[Exception] = []
        is_refused = False

        async def add(connection: Connection) -> None:
            nonlocal is_refused
            pipeline = connection.client.pipeline(transaction=False)
            for field, count in counts.items():
                pipeline.hincrby(key, field, count)
            totals: list[Any] = await pipeline.execute(raise_on_error=False)
            refusals.extend(total for total in totals if isinstance(total, Exception))
            is_refused = len(refusals) == len(totals)
            if is_refused:
                raise refusals[0]  # in here, so that a connection to a replica is dropped
            for total in totals:
                if not isinstance(total, (int, Exception)):
                    raise answers.malformed(f"HINCRBY {key}", total, "an integer")

        try:
            with translated():
                async with asyncio.timeout(_COMMAND_SECONDS):
                    await self._try(add, read=answers.ignored)
        except StoreError as error:
            if is_refused:
                raise
            raise UnclearError(error.kind, str(error)) from error
        if refusals:
            raise UnclearError(kind_of(refusals[0]), f"some counts were refused: {refusals[0]}")

    async def read_admitted(self) -> AdmittedTotals:
        """See `AdmittedCounter`."""
        key = self._keys.admitted
        try:
            number, items = await self._script(
                scripts.READ_ADMITTED,
                (key,),
                MAX_COUNT_FIELDS,
                MAX_ITEM_BYTES,
                read=answers.counts,
            )
        except StoreError as error:
            if "WRONGTYPE" not in str(error):
                raise
            return AdmittedTotals({}, (f"{key} is not a hash",))
        if number > MAX_COUNT_FIELDS:
            problem = f"{key} has {number} fields, at most {MAX_COUNT_FIELDS} are read"
            return AdmittedTotals({}, (problem,))
        return decode_totals(items)

    async def remove_admitted(self, fields: Collection[str]) -> None:
        """See `AdmittedCounter`."""
        if fields:
            key = self._keys.admitted
            await self._run(
                lambda connection: connection.client.hdel(key, *fields),
                read=partial(answers.integer, f"HDEL {key}"),
            )

    async def read_held_report(self) -> StoredDocument | None:
        """See `HeldReportReader`."""
        return await self._stored(self._keys.held)

    async def read_held_counts(self, tiers: Collection[str]) -> Mapping[str, int]:
        """See `HeldReportWriter`."""
        if not tiers:
            return {}
        key, fields = self._keys.admitted, [held_field(tier) for tier in tiers]
        try:
            values = await self._run(
                lambda connection: connection.client.hmget(key, fields),
                read=partial(answers.texts_or_nils, f"HMGET {key}", length=len(fields)),
            )
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
        await self._run(
            lambda connection: connection.client.set(key, document, px=ttl_ms),
            read=partial(answers.status, f"SET {key}", expected="OK"),
        )

    async def lease_holder(self) -> str | None:
        """See `StatusReader`."""
        holder = await self._get(self._keys.lease)
        return None if holder is None else holder.decode(errors="replace")

    async def count_subscribers(self) -> int:
        """See `StatusReader`."""
        channel = self._keys.decision
        return await self._run(
            lambda connection: connection.client.pubsub_numsub(channel, **self._on_all_nodes),
            read=answers.subscribers,
        )

    async def close(self) -> None:
        """See `Store`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await _close(connection)

    async def _stored(self, key: str) -> StoredDocument | None:
        def send(connection: Connection) -> Awaitable[list[Any]]:
            pipeline = connection.client.pipeline(transaction=False)
            pipeline.get(key)
            pipeline.pttl(key)
            return pipeline.execute()

        def read(answer: list[Any]) -> StoredDocument | None:
            document = answers.text_or_nil(f"GET {key}", answer[0])
            remaining = answers.integer(f"PTTL {key}", answer[1], least=_EXPIRED)
            if document is None or remaining == _EXPIRED:  # in between the two
                return None
            return StoredDocument(document, remaining if remaining >= 0 else None)

        return await self._run(send, read=read)

    async def _get(self, key: str) -> bytes | None:
        return await self._run(
            lambda connection: connection.client.get(key),
            read=partial(answers.text_or_nil, f"GET {key}"),
        )

    async def _script(
        self,
        script: str,
        keys: tuple[str, ...],
        *arguments: str | bytes | int,
        read: Callable[[Any], T],
    ) -> T:
        def run(connection: Connection) -> Awaitable[Any]:
            answer: Awaitable[Any] = connection.client.eval(script, len(keys), *keys, *arguments)
            return answer

        return await self._run(run, read=read)

    async def _wake(self) -> None:
        """Replace an idle socket that Redis closed meanwhile, while nothing can be unclear.

        A PING that is forbidden or renamed away is answered too, and the socket works.
        """
        try:
            await self._run(
                lambda connection: connection.client.ping(**self._on_all_nodes),
                read=partial(answers.status, "PING", expected="PONG"),
            )
        except StoreError as error:
            if error.kind != "permission":
                raise

    async def _run(
        self, command: Callable[[Connection], Awaitable[Any]], *, read: Callable[[Any], T]
    ) -> T:
        """Run one command within the time limit; it must be harmless to send it twice."""
        with translated():
            async with asyncio.timeout(_COMMAND_SECONDS):
                try:
                    return await self._try(command, read=read)
                except redis_errors.ConnectionError as error:
                    if kind_of(error) != "connection":
                        raise
                    # An idle socket that Redis closed earlier says nothing about Redis now.
                    return await self._try(command, read=read)

    async def _try(
        self, command: Callable[[Connection], Awaitable[Any]], *, read: Callable[[Any], T]
    ) -> T:
        """Run one command and read its answer; a connection that fails with it is not reused."""
        connection = self._connection
        if connection is None:
            connection = self._connection = connect(self._settings)
        try:
            return read(await command(connection))
        except BaseException as error:
            if breaks_connection(error) and self._connection is connection:
                self._connection = None
            raise
        finally:
            # Another operation may have closed it while this one was about to open a socket on it.
            if self._connection is not connection:
                await _close(connection)

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


def _done(act: str) -> Callable[[object], bool]:
    return partial(answers.is_done, f"the script that {act}")


async def _close(connection: Connection) -> None:
    """Close a connection's sockets; whether Redis answers does not matter."""
    with suppress(*ERRORS):
        async with asyncio.timeout(_CLOSE_SECONDS):
            await connection.close()
