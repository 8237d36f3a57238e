"""Connections to Redis, and subscriptions on them; no other module builds a client.

Every wait has a bound, because redis-py's own defaults (5 s sockets, retries with backoff of up
to 10 s) would stall a cycle or a refresh.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import (
    AuthenticationError,
    ConnectionError,  # noqa: A004 - redis-py's name
    ResponseError,
    TimeoutError,  # noqa: A004 - redis-py's name
)

from shield_common.store.answers import malformed, text
from shield_common.store.errors import translated
from shield_common.store.settings import MAX_TIMEOUT

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

    from shield_common.store.settings import RedisSettings, SentinelSettings


# By name, as redis-py gives it for RESP2, which is what `connect` asks for.
Masters = dict[str, dict[str, Any]]


class PasswordFile(CredentialProvider):
    """Provides the user and the file's present password at every connect."""

    def __init__(self, username: str | None, path: Path) -> None:
        self._username = username
        self._path = path

    def get_credentials(self) -> tuple[str] | tuple[str, str]:
        """Read the file.

        Raises:
            redis.exceptions.AuthenticationError: it cannot be read; the store reports it.
        """
        try:
            password = self._path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise AuthenticationError(f"{self._path}: cannot be read") from error
        return (password,) if self._username is None else (self._username, password)

    async def get_credentials_async(self) -> tuple[str] | tuple[str, str]:
        """Do the same; the file is a few bytes on a memory file system."""
        return self.get_credentials()


class _Sentinels(Sentinel):
    """Sentinels whose failure is reported with its causes.

    redis-py's own error shows each client with all of its settings, and of the cause the class.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Return the master's address.

        Raises:
            redis.exceptions.AuthenticationError: every Sentinel refused the login.
            redis.exceptions.ConnectionError: no Sentinel knows the master.
        """
        causes: list[Exception] = []
        for position, sentinel in enumerate(self.sentinels):
            try:
                masters = cast("Masters", await sentinel.sentinel_masters())
            except (ConnectionError, TimeoutError, ResponseError) as error:
                # A ResponseError: no Sentinel at all, or one whose ACL forbids the question.
                causes.append(error)
                continue
            state = masters.get(service_name)
            if state is not None and self.check_master_state(state, service_name):
                # Asked first from now on.
                self.sentinels.insert(0, self.sentinels.pop(position))
                return state["ip"], state["port"]
        refused = causes and all(isinstance(cause, AuthenticationError) for cause in causes)
        reasons = "; ".join(dict.fromkeys(str(cause) for cause in causes))
        problem = f"no Sentinel knows a reachable master {service_name!r}"
        raise (AuthenticationError if refused else MasterNotFoundError)(
            f"{problem}: {reasons}" if reasons else problem
        )


@dataclass(frozen=True, slots=True)
class Connection:
    """One set of sockets to Redis, closed as a whole when one of them fails.

    Attributes:
        client: for commands.
        sentinel: the Sentinel clients behind it, if any.
    """

    client: Redis | RedisCluster
    sentinel: Sentinel | None = None

    async def pubsub(self) -> PubSub:
        """Return a subscription that is not subscribed yet."""
        if isinstance(self.client, RedisCluster):
            await self.client.initialize()  # its subscriptions assume that the nodes are known
        return self.client.pubsub(ignore_subscribe_messages=False)

    async def close(self) -> None:
        """Close every socket."""
        await self.client.aclose()
        if self.sentinel is not None:
            for sentinel in self.sentinel.sentinels:
                await sentinel.aclose()


def connect(settings: RedisSettings) -> Connection:
    """Build the client; the first command connects.

    A failed command raises at once: the caller decides whether and when to try again, and a
    subscription that reconnected by itself would hide the decisions that it missed.
    """
    options: dict[str, Any] = {
        "socket_timeout": float(settings.timeout),
        "socket_connect_timeout": float(settings.timeout),
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # No CLIENT SETINFO: an ACL may forbid it, and its reply would hide why Redis disconnects.
        "driver_info": None,
    }
    credentials = _credentials(settings)
    tls = _tls_options(settings)
    if settings.cluster:
        return Connection(RedisCluster.from_url(settings.url, **options, **credentials, **tls))
    if settings.sentinel is not None:
        return _through_sentinel(settings, settings.sentinel, options | credentials | tls)
    return Connection(Redis.from_url(settings.url, **options, **credentials, **tls))


def _through_sentinel(
    settings: RedisSettings, sentinel: SentinelSettings, options: dict[str, Any]
) -> Connection:
    # from_url knows how a URL's user, password and database are written; take them from it.
    url_options = Redis.from_url(settings.url).connection_pool.connection_kwargs
    inherited: dict[str, Any] = {
        k: url_options[k] for k in ("username", "password", "db") if k in url_options
    }
    if urlsplit(settings.url).scheme == "rediss":
        options = {**options, "ssl": True}
    sentinel_options = {k: v for k, v in options.items() if k != "credential_provider"}
    # Sentinels are asked one after the other, and the master needs time too: a Sentinel that froze
    # together with the old master must not use up the time of those that know the new master.
    share = min(float(settings.timeout), MAX_TIMEOUT / (len(sentinel.addresses) + 1))
    sentinel_options |= {"socket_timeout": share, "socket_connect_timeout": share}
    if sentinel.password_file is not None:
        sentinel_options["credential_provider"] = PasswordFile(
            sentinel.username, Path(sentinel.password_file)
        )
    sentinels = _Sentinels(  # type: ignore[no-untyped-call]  # redis-py leaves its constructor untyped
        sentinel.endpoints(), sentinel_kwargs=sentinel_options, **(inherited | options)
    )
    return Connection(sentinels.master_for(sentinel.master), sentinels)


def _credentials(settings: RedisSettings) -> dict[str, Any]:
    if settings.password_file is None:
        return {}
    return {"credential_provider": PasswordFile(settings.username, Path(settings.password_file))}


def _tls_options(settings: RedisSettings) -> dict[str, Any]:
    if urlsplit(settings.url).scheme != "rediss":
        return {}
    options: dict[str, Any] = {"ssl_check_hostname": True, "ssl_cert_reqs": "required"}
    if settings.ca_file is not None:
        options["ssl_ca_certs"] = settings.ca_file
    if settings.cert_file is not None:
        options |= {"ssl_certfile": settings.cert_file, "ssl_keyfile": settings.key_file}
    return options


class RedisSubscription:
    """A feed of documents; fulfils ``store.protocol.Subscription``."""

    def __init__(self, pubsub: PubSub, *, skip_empty: bool) -> None:
        self._pubsub = pubsub
        self._skip_empty = skip_empty

    async def next(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - silence is an answer here
        """See `Subscription`."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while (left := deadline - loop.time()) > 0:
            with translated():
                message = await self._pubsub.get_message(timeout=left)
            if message is not None and message["type"] == "message":
                data = text("SUBSCRIBE, in a message,", message["data"])
                if data or not self._skip_empty:
                    return data
        return None


async def acknowledged(pubsub: PubSub) -> None:
    """Wait until Redis confirms: from then on no message is missed."""
    while True:
        message = await pubsub.get_message(timeout=MAX_TIMEOUT)
        if message is not None and message["type"] == "subscribe":
            return
        if message is not None:  # a new subscription's first message is its confirmation
            raise malformed("SUBSCRIBE", message["type"], "its confirmation")
