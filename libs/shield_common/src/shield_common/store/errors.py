"""Redis' and the socket's errors as `StoreError`, and which of them end a connection."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import redis.exceptions as redis_errors

from shield_common.store.answers import MALFORMED, unreadable
from shield_common.store.protocol import StoreError
from shield_common.text import printable, truncate

if TYPE_CHECKING:
    from collections.abc import Iterator

# redis-py's cluster client raises some errors outside of redis-py's hierarchy.
ERRORS: Final = (redis_errors.RedisError, redis_errors.RedisClusterException, OSError)
# What redis-py's own code raises when it reads an answer of a type that Redis never gives.
_UNREADABLE: Final = (TypeError, ValueError, AttributeError, LookupError)

# Redis names most of its errors in the first word of the message, redis-py in the class.
_KIND_BY_PREFIX: Final = (
    ("OOM", "out_of_memory"),
    ("LOADING", "loading"),
    ("READONLY", "read_only"),
    ("NOPERM", "permission"),
    ("NOAUTH", "authentication"),
    ("WRONGPASS", "authentication"),
    # The answer to a command of more than ten words, instead of NOAUTH.
    ("Protocol error: unauthenticated", "authentication"),
    ("max number of clients", "too_many_clients"),
)
_KIND_BY_CLASS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (redis_errors.InvalidResponse, MALFORMED),
    (redis_errors.OutOfMemoryError, "out_of_memory"),
    (redis_errors.BusyLoadingError, "loading"),
    (redis_errors.ReadOnlyError, "read_only"),
    (redis_errors.NoPermissionError, "permission"),
    (redis_errors.AuthenticationError, "authentication"),
    (redis_errors.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (redis_errors.ConnectionError, "connection"),
    (redis_errors.ClusterDownError, "connection"),
    (redis_errors.RedisClusterException, "connection"),
    (OSError, "connection"),
)
# A script that may not use a command, key or channel fails without NOPERM (Redis 7, then 6). A
# command that was renamed away, or that a proxy does not pass on, is unknown or unsupported.
_FORBIDDEN: Final = (
    "acl failure in script",
    "the user executing the script can't",
    "unknown command",
    "unknown redis command",
    "unknown subcommand",
    "unsupported command",
    "command not supported",
    "command is not supported",
    "command not allowed",
    "command is not allowed",
    "invalid command",
)
_NOT_CONNECTED: Final = re.compile(
    r"Error (?P<number>-?\d+) connecting to (?P<host>\S+)\. "
    r"(?P<cause>Connect call failed \([^)]*\)|[^.]+)\.?"
)
_MAX_MESSAGE: Final = 300  # characters; a sentence for a log line and for readiness
# Kinds that Redis refuses without a fault of the connection.
_REFUSALS: Final = frozenset({"out_of_memory", "permission", "other"})


def breaks_connection(error: BaseException) -> bool:
    """Return whether an error is the connection's fault, so that it is not used again."""
    return not isinstance(error, ERRORS) or kind_of(error) not in _REFUSALS


@contextmanager
def translated() -> Iterator[None]:
    """Raise Redis', its client's and the socket's errors as `StoreError`, and a lost cancellation.

    redis-py sends through `asyncio.wait_for`, which on Python 3.11 swallows a cancellation that
    arrives together with the result (https://github.com/python/cpython/issues/86296). The caller
    that cancelled would wait for ever.
    """
    task = asyncio.current_task()
    known = 0 if task is None else task.cancelling()
    try:
        yield
    except ERRORS as error:
        _raise_if_lost(task, known)
        raise StoreError(kind_of(error), _sentence(error)) from error
    except _UNREADABLE as error:
        _raise_if_lost(task, known)
        raise unreadable(error) from error
    _raise_if_lost(task, known)


def _raise_if_lost(task: asyncio.Task[object] | None, known: int) -> None:
    if task is not None and task.cancelling() > known:
        raise asyncio.CancelledError


def _sentence(error: Exception) -> str:
    """Return an error in one short line."""
    if isinstance(error, redis_errors.AskError):  # and MovedError, which name a node and no reason
        return "Redis is a node of a Redis Cluster: set redis.cluster to true"
    text = " ".join(str(error).split()) or type(error).__name__
    text = _NOT_CONNECTED.sub(_not_connected, text)
    return truncate(printable(text), _MAX_MESSAGE)


def _not_connected(match: re.Match[str]) -> str:
    """Return redis-py's sentence about a connection without numbers and Python's notation."""
    number, cause = int(match["number"]), match["cause"]
    # Numbers below zero are the resolver's, and those of TLS are OpenSSL's. For the others
    # asyncio's text is no sentence.
    is_systems = number > 0 and not cause.startswith("[SSL")
    return f"cannot connect to {match['host']}: {os.strerror(number) if is_systems else cause}"


def kind_of(error: Exception) -> str:
    """Return an error's `StoreError.kind`."""
    text = str(error)
    for prefix, kind in _KIND_BY_PREFIX:
        if text.startswith(prefix):
            return kind
    for cls, kind in _KIND_BY_CLASS:
        if isinstance(error, cls):
            return kind
    lower = text.lower()
    return "permission" if any(words in lower for words in _FORBIDDEN) else "other"
