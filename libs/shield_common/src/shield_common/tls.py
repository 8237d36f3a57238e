"""TLS contexts, built from files and rebuilt when the files change."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class TLSError(Exception):
    """Certificate files cannot be used; at start the service exits, later it keeps the old ones."""


def server_context(
    cert_file: Path, key_file: Path, *, client_ca_file: Path | None = None
) -> ssl.SSLContext:
    """Build a server's context: TLS 1.2 or newer, HTTP/1.1 by ALPN.

    Args:
        cert_file: PEM certificate chain.
        key_file: its PEM key.
        client_ca_file: PEM certificates; a client must then show one that they signed.

    Raises:
        TLSError: a file is missing, not PEM, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(cert_file, key_file)
        if client_ca_file is not None:
            context.load_verify_locations(client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise TLSError(f"{cert_file}, {key_file}: {error}") from error
    return context


def client_context(
    *, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Build a client's context; host names are checked.

    Args:
        ca_file: PEM certificates that may sign the server's; the system's unless given.
        cert_file: PEM client certificate, with ``key_file``.
        key_file: its PEM key.

    Raises:
        TLSError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except (OSError, ssl.SSLError) as error:
        raise TLSError(f"{ca_file or cert_file}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
