"""Settings of the connection to Redis, and what is refused before anything connects.

How a client is built from them belongs to `shield_common.store.connection`.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import SplitResult, urlsplit

from msgspec import Meta

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, can_be_host, parse_address

# The most that one command may take before the caller goes on without Redis (DESIGN: no library
# default may stall a cycle or a refresh for more than 2 s).
MAX_TIMEOUT: Final = 2.0
_SCHEMES: Final = {"redis", "rediss", "unix"}
_DATABASE: Final = re.compile(r"^(/[0-9]{0,5})?$")
_NO_QUERY: Final = re.compile(r"^$")
_UNIX_QUERY: Final = re.compile(r"^(db=[0-9]{1,5})?$")


class SentinelSettings(SettingsStruct, frozen=True, kw_only=True):
    """Which Sentinels to ask for the current master.

    Attributes:
        master: the master's name in Sentinel's configuration.
        addresses: ``host:port`` of each Sentinel (``[::1]:26379`` for IPv6).
        username: the Sentinels' own ACL user, used with ``password_file``.
        password_file: the Sentinels' own password; read again at every connect.
    """

    master: Annotated[str, Meta(min_length=1)]
    addresses: Annotated[tuple[str, ...], Meta(min_length=1)]
    username: str | None = None
    password_file: str | None = None

    def __post_init__(self) -> None:
        """Refuse addresses that cannot be connected to."""
        for address in self.addresses:
            try:
                host, _ = parse_address(address)
            except ValueError as error:
                raise ValueError(f"addresses: {error}") from error
            if not host:
                raise ValueError(f"addresses: {address!r} has no host")
            if not can_be_host(host):
                raise ValueError(f"addresses: {host!r} cannot be a host")
        if self.username is not None and self.password_file is None:
            raise ValueError("username needs password_file")

    def endpoints(self) -> list[tuple[str, int]]:
        """Return host and port of each Sentinel."""
        return [parse_address(address) for address in self.addresses]


class RedisSettings(SettingsStruct, frozen=True, kw_only=True):
    """How to reach Redis.

    Attributes:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with the database number. With
            Sentinel only its scheme, user, password and database count.
        username: ACL user, used with ``password_file``.
        password_file: read again at every connect, so that a rotated password needs no restart.
        ca_file: certificates that may sign Redis' own; the system's by default.
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
            raise ValueError("url: has no host")
        if parts.scheme != "unix" and not can_be_host(parts.hostname or ""):
            raise ValueError("url: the host is not a valid name")
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
