"""Reads certificates from disk: their validity, and the names that they are for.

Whether a certificate may be used is decided by `shield_common.tls.contexts` and by the commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path


class CertificateError(Exception):
    """A file holds no readable certificate; `shield_common.tls.contexts` reports it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate.

    Attributes:
        not_before: when it becomes valid.
        not_after: when it ends.
        names: the DNS names and IP addresses that it is for (subject alternative names). A common
            name does not count: Go's TLS, and so the API server, has ignored it since Go 1.15.
    """

    not_before: datetime
    not_after: datetime
    names: tuple[str, ...] = ()

    def is_for(self, host: str) -> bool:
        """Return whether a client that calls this host accepts the certificate's names.

        A ``*`` stands for exactly one whole label at the left (RFC 6125, 6.4.3).
        """
        host = host.rstrip(".").lower()
        _, _, parent = host.partition(".")
        wanted = {host, f"*.{parent}"} if parent and not _is_address(host) else {host}
        return not wanted.isdisjoint(name.rstrip(".").lower() for name in self.names)


def read_certificate(path: Path) -> Certificate:
    """Read the first certificate of a PEM file.

    Raises:
        OSError: the file cannot be read.
        CertificateError: the file holds no PEM certificate, or a damaged one.
    """
    content = path.read_bytes()
    if b"-----BEGIN CERTIFICATE-----" not in content:
        raise CertificateError("holds no PEM certificate")
    try:
        certificate = x509.load_pem_x509_certificates(content)[0]
        return Certificate(
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            names=_names(certificate),
        )
    except (ValueError, x509.InvalidVersion) as error:
        raise CertificateError(f"holds a damaged certificate: {error}") from error


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *(str(address) for address in addresses))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
