"""From settings to a Redis client: the only place where one is built.

Every wait has a bound, because redis-py's own defaults (5 s sockets, retries with backoff of up
to 10 s) would stall a cycle or a refresh.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta
from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.credentials import CredentialProvider
from redis.exceptions import AuthenticationError

from shield_common.config.loader import SettingsStruct
from shield_common.durations import Duration
from shield_common.names import can_be_host

if TYPE_CHECKING:
    from redis.asyncio.client import PubSub

# The most that one command may take before the caller goes on without Redis (DESIGN: no library
# default may stall a cycle or a refresh for more than 2 s).
MAX_TIMEOUT: Final = 2.0
_SCHEMES: Final = {"redis", "rediss", "unix"}
_DATABASE: Final = re.compile(r"^(/[0-9]{0,5})?$")
_NO_QUERY: Final = re.compile(r"^$")
_UNIX_QUERY: Final = re.compile(r"^(db=[0-9]{1,5})?$")


class SentinelSettings(SettingsStruct, frozen=True, kw_only=True):
    """Where to ask for the current master.

    Attributes:
        master: the master's name in Sentinel's configuration.
        addresses: ``host:port`` of each Sentinel.
        password_file: the Sentinels' own password; read anew at every connect.
    """

    master: Annotated[str, Meta(min_length=1)]
    addresses: Annotated[tuple[str, ...], Meta(min_length=1)]
    password_file: str | None = None

    def __post_init__(self) -> None:
        for address in self.addresses:
            host, _, port = address.rpartition(":")
            if not host or not port.isdigit():
                raise ValueError(f"addresses: {address!r} is not host:port")
            if not can_be_host(host):
                raise ValueError(f"addresses: {host!r} cannot be a host")

    def endpoints(self) -> list[tuple[str, int]]:
        """Return host and port of each Sentinel."""
        return [(host, int(port)) for host, _, port in (a.rpartition(":") for a in self.addresses)]


class RedisSettings(SettingsStruct, frozen=True, kw_only=True):
    """How to reach Redis.

    Attributes:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with the database number. With
            Sentinel only its scheme, user, password and database count.
        username: ACL user, used with ``password_file``.
        password_file: read anew at every connect, so that a rotated password needs no restart.
        ca_file: certificates that may sign Redis' own; the system's unless given.
        cert_file: client certificate; with ``key_file``.
        key_file: key of the client certificate.
        sentinel: ask these Sentinels for the master instead of connecting to the URL's host.
        cluster: the URL's host is a node of a Redis Cluster.
        timeout: for each connect and each answer, at most 2s.
        allow_eviction: let the evaluator start even if Redis may evict keys (its
            ``maxmemory-policy``); an admitter never asks.
    """

    url: str
    username: str | None = None
    password_file: str | None = None
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    sentinel: SentinelSettings | None = None
    cluster: bool = False
    timeout: Duration = Duration(1)
    allow_eviction: bool = False

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at connect."""
        parts = _split(self.url)
        if parts.scheme != "unix" and not parts.hostname and self.sentinel is None:
            raise ValueError("url: names no host")
        if parts.scheme != "unix" and not can_be_host(parts.hostname or ""):
            raise ValueError("url: what stands for the host cannot be one")
        if self.cluster and self.sentinel is not None:
            raise ValueError("sentinel and cluster exclude each other")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.username is not None and self.password_file is None:
            raise ValueError("username needs password_file (or put user and password into the url)")
        if self.password_file is not None and (parts.password or parts.username):
            raise ValueError("password_file and a user or password in the url exclude each other")
        tls_files = {"ca_file": self.ca_file, "cert_file": self.cert_file}
        for name, file in tls_files.items():
            if file is not None and parts.scheme != "rediss":
                raise ValueError(f"{name} needs a rediss:// url")
        if not 0 < self.timeout <= MAX_TIMEOUT:
            raise ValueError(f"timeout: must be above 0s and at most {Duration(MAX_TIMEOUT)}")


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or "://" not in url:
        raise ValueError("url: must begin with redis://, rediss:// or unix://")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("url: the port is not a number up to 65535") from error
    # redis-py lets a URL's options win over everything, timeouts and verification included, and
    # takes a database that it cannot read for 0.
    allowed = _UNIX_QUERY if parts.scheme == "unix" else _NO_QUERY
    if not allowed.match(parts.query):
        raise ValueError("url: takes no options; they are settings beside it")
    if parts.scheme != "unix" and not _DATABASE.match(parts.path):
        raise ValueError("url: what follows the host must be a database number, such as /0")
    return parts


class PasswordFile(CredentialProvider):
    """The user and the file's present password, asked for at every connect."""

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


@dataclass(frozen=True, slots=True)
class Connection:
    """One set of sockets to Redis, thrown away as a whole when it fails.

    Attributes:
        client: for commands.
        sentinel: the Sentinel clients behind it, if any.
    """

    client: Redis | RedisCluster
    sentinel: Sentinel | None = None

    async def pubsub(self) -> PubSub:
        """Return a subscription that is not subscribed yet."""
        if isinstance(self.client, RedisCluster):
            await self.client.initialize()  # its subscriptions take for granted that it knows nodes
        return self.client.pubsub(ignore_subscribe_messages=False)

    async def close(self) -> None:
        """Close every socket."""
        await self.client.aclose()
        if self.sentinel is not None:
            for sentinel in self.sentinel.sentinels:
                await sentinel.aclose()


def connect(settings: RedisSettings) -> Connection:
    """Build the client; the first command connects.

    A failed command raises at once: whoever asked knows whether and when to ask again, and a
    subscription that reconnected by itself would hide the decisions it missed.
    """
    options: dict[str, Any] = {
        "socket_timeout": float(settings.timeout),
        "socket_connect_timeout": float(settings.timeout),
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        # No CLIENT SETINFO: an ACL may forbid it, and its reply would hide why Redis hangs up.
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
    # They are asked one after the other, and the master needs a share too: one that is frozen
    # with the old master must not use up the time of those that know the new one.
    share = min(float(settings.timeout), MAX_TIMEOUT / (len(sentinel.addresses) + 1))
    sentinel_options |= {"socket_timeout": share, "socket_connect_timeout": share}
    if sentinel.password_file is not None:
        sentinel_options["credential_provider"] = PasswordFile(None, Path(sentinel.password_file))
    sentinels = Sentinel(  # type: ignore[no-untyped-call]  # redis-py leaves its constructor untyped
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
