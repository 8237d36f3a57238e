"""Tries every operation that a service needs from Redis, without changing what a service reads.

For the `check` commands: an ACL, a renamed command or a proxy shows here, one line for each thing
that is missing, instead of in the first incident. Each key is rewritten with the value that it has,
or not at all if it does not exist; announcements are empty, which readers of both channels ignore;
counts grow by zero.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from shield_common.store import answers
from shield_common.store.connection import Connection, acknowledged, connect
from shield_common.store.errors import translated
from shield_common.store.keys import Keys
from shield_common.store.protocol import StoreError
from shield_common.store.settings import MAX_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from shield_common.store.settings import RedisSettings

# KEYS: one.  The lifetime stays as well (KEEPTTL); XX never makes a key.
_REWRITE: Final = """
local value = redis.call('GET', KEYS[1])
redis.call('SET', KEYS[1], value or '', 'XX', 'KEEPTTL')
return 1
"""
# KEYS: one.
_DELETE_IF_ABSENT: Final = """
if not redis.call('GET', KEYS[1]) then redis.call('DEL', KEYS[1]) end
return 1
"""
_CLOCK: Final = "redis.call('TIME') return 1"
# KEYS: for the node of a Redis Cluster.  ARGV: channel.
_ANNOUNCE: Final = "return redis.call('PUBLISH', ARGV[1], '')"
# KEYS: a hash.
_READ_HASH: Final = "redis.call('HLEN', KEYS[1]) redis.call('HGETALL', KEYS[1]) return 1"


@dataclass(frozen=True, slots=True)
class TriedOperation:
    """One operation that a service needs, and its result.

    Attributes:
        name: what is done to what, for example ``publish on etcd-shield:{rh01}:decision``.
        problem: why it failed; None if it works.
        needed: whether the service cannot do its work without it.
    """

    name: str
    problem: str | None
    needed: bool = True


async def try_evaluator_operations(
    settings: RedisSettings, *, cluster: str, holds: bool = False
) -> list[TriedOperation]:
    """Try what the evaluator needs; stop at the connection if that fails.

    Args:
        settings: how to connect.
        cluster: the cluster's name.
        holds: whether runs are held, so that the evaluator reads the report of them.
    """
    keys = Keys(cluster)
    owned = (keys.lease, keys.epoch, keys.decision, keys.allow, keys.latches, keys.override)
    operations = [
        *(_read(key) for key in (keys.decision, keys.latches, keys.override)),
        *([_read(keys.held)] if holds else []),
        *(_script(f"write {key}", _REWRITE, key) for key in owned),
        *(_script(f"delete {key}", _DELETE_IF_ABSENT, key) for key in (keys.lease, keys.override)),
        _script("read Redis' clock", _CLOCK, keys.epoch),
        _script(f"publish on {keys.decision}", _ANNOUNCE, keys.decision, keys.decision),
        _script(f"publish on {keys.override}", _ANNOUNCE, keys.override, keys.override),
        _subscribe(keys.override),
        _script(f"read {keys.admitted}", _READ_HASH, keys.admitted),
        # No tier can have the name of this field.
        _Operation(
            f"remove from {keys.admitted}",
            lambda c: c.client.hdel(keys.admitted, "-"),
            partial(answers.integer, "HDEL"),
        ),
        _Operation("read maxmemory-policy (INFO)", lambda c: c.client.info("memory"), needed=False),
        _Operation(
            "count the admitters (PUBSUB NUMSUB)",
            lambda c: c.client.pubsub_numsub(keys.decision),
            answers.subscribers,
            needed=False,
        ),
    ]
    return await _try_all(settings, operations)


async def try_admitter_operations(
    settings: RedisSettings, *, cluster: str, tier: str
) -> list[TriedOperation]:
    """Try what an admitter needs; stop at the connection if that fails.

    Args:
        settings: how to connect.
        cluster: the cluster's name.
        tier: the tier whose count grows by zero.
    """
    keys = Keys(cluster)
    operations = [
        _read(keys.decision),
        _subscribe(keys.decision),
        _Operation(
            f"count in {keys.admitted}",
            lambda c: c.client.hincrby(keys.admitted, tier, 0),
            partial(answers.integer, "HINCRBY"),
        ),
    ]
    return await _try_all(settings, operations)


async def try_controller_operations(
    settings: RedisSettings, *, cluster: str
) -> list[TriedOperation]:
    """Try what the controller needs; stop at the connection if that fails."""
    keys = Keys(cluster)
    operations = [
        _read(keys.decision),
        _subscribe(keys.decision),
        _Operation(
            f"read {keys.admitted}",
            lambda c: c.client.hmget(keys.admitted, ["-"]),
            partial(answers.texts_or_nils, "HMGET", length=1),
        ),
        # Only if there is no report; an empty one that lives for 1 ms is ignored.
        _Operation(f"write {keys.held}", lambda c: c.client.set(keys.held, "", px=1, nx=True)),
    ]
    return await _try_all(settings, operations)


@dataclass(frozen=True, slots=True)
class _Operation:
    name: str
    run: Callable[[Connection], Awaitable[object]]
    read: Callable[[Any], object] = answers.ignored
    needed: bool = True


def _read(key: str) -> _Operation:
    async def run(connection: Connection) -> None:
        answers.text_or_nil(f"GET {key}", await connection.client.get(key))
        answers.integer(f"PTTL {key}", await connection.client.pttl(key), least=-2)

    return _Operation(f"read {key}", run)


def _script(name: str, script: str, key: str, *arguments: str) -> _Operation:
    async def run(connection: Connection) -> None:
        client: Any = connection.client
        answers.integer("EVAL", await client.eval(script, 1, key, *arguments))

    return _Operation(name, run)


def _subscribe(channel: str) -> _Operation:
    async def run(connection: Connection) -> None:
        pubsub = await connection.pubsub()
        try:
            await pubsub.subscribe(channel)
            await acknowledged(pubsub)
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]  # untyped in redis-py

    return _Operation(f"subscribe to {channel}", run)


async def _try_all(
    settings: RedisSettings, operations: Sequence[_Operation]
) -> list[TriedOperation]:
    connection = connect(settings)
    try:
        ping = _Operation(
            "connect (PING)",
            lambda c: c.client.ping(),
            partial(answers.status, "PING", expected="PONG"),
        )
        error = await _error(ping, connection)
        is_refused = error is not None and error.kind == "permission"  # no service needs PING
        problem = None if error is None else str(error)
        tried = [TriedOperation(ping.name, problem, needed=not is_refused)]
        if error is None or is_refused:
            for operation in operations:
                error = await _error(operation, connection)
                problem = None if error is None else str(error)
                tried.append(TriedOperation(operation.name, problem, operation.needed))
        return tried
    finally:
        await connection.close()


async def _error(operation: _Operation, connection: Connection) -> StoreError | None:
    try:
        with translated():
            async with asyncio.timeout(MAX_TIMEOUT):
                operation.read(await operation.run(connection))
    except StoreError as error:
        return error
    return None
