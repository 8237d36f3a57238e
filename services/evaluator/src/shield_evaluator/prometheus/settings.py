"""How Prometheus is asked."""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, field

from shield_common.config.loader import SettingsStruct
from shield_common.config.types import Duration, can_be_host

# What the client itself says, about the body, about itself, and about what it can read.
FORBIDDEN_HEADERS: Final = {
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
}
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2


class BasicAuth(SettingsStruct, frozen=True, kw_only=True):
    """User and password; the file is read again when it changes.

    Attributes:
        username: the user.
        password_file: holds the password.
    """

    username: Annotated[str, Meta(min_length=1)]
    password_file: str

    def __post_init__(self) -> None:
        """Refuse what cannot be sent (RFC 7617, 2)."""
        if ":" in self.username or not self.username.isprintable():
            raise ValueError("username: must have no colon and no control characters")


class PrometheusSettings(SettingsStruct, frozen=True, kw_only=True):
    """Where and how queries are sent.

    Attributes:
        urls: base URLs (Prometheus, Thanos Querier, Mimir …), tried in order.
        timeout: for one cycle's queries, retries and further URLs included; four fifths of
            ``interval`` unless given.
        bearer_token_file: sent as ``Authorization: Bearer``; read again when it changes.
        ca_file: certificates that may sign the server's; read again when it changes.
        basic_auth: instead of a token.
        headers: sent with every query, for example a tenant's.
        partial_response: what to ask Thanos for: ``false`` makes it fail rather than leave a
            store out; not sent unless given, Prometheus itself has no such parameter.
    """

    urls: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10)]
    timeout: Duration | None = None
    bearer_token_file: str | None = None
    ca_file: str | None = None
    basic_auth: BasicAuth | None = None
    headers: dict[str, str] = field(default_factory=dict)
    partial_response: bool | None = None

    def __post_init__(self) -> None:
        """Refuse what could only fail later, at the first query."""
        for place, url in enumerate(self.urls):
            _check_url(f"urls[{place}]", url)
        if self.basic_auth is not None and self.bearer_token_file is not None:
            raise ValueError("basic_auth and bearer_token_file exclude each other")
        for name, value in self.headers.items():
            if name.lower() in FORBIDDEN_HEADERS or not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"headers: {name!r} cannot be set")
            if not value.isprintable():
                raise ValueError(f"headers: the value of {name!r} has control characters")
        if self.timeout is not None and self.timeout <= 0:
            raise ValueError("timeout: must be above 0s")


def _check_url(place: str, url: str) -> None:
    """Refuse what is no base URL; the URL itself is never shown, it may hold a password."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{place}: is not a URL") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{place}: is not an http:// or https:// URL")
    if not can_be_host(parts.hostname):
        raise ValueError(f"{place}: is not a URL that names a host")
    if parts.username or parts.password:
        raise ValueError(f"{place}: credentials belong into basic_auth or bearer_token_file")
    if parts.query or parts.fragment:
        raise ValueError(f"{place}: must be a base URL, without query or fragment")
