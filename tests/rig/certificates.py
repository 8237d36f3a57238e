"""Certificates for loopback, written to files as servers and clients want them."""

import datetime as dt
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.rig.files import replace
from tests.rig.ports import LOOPBACK

# Names and addresses of every server of the rig.
LOOPBACK_NAMES = (LOOPBACK, "::1", "localhost")


@dataclass(frozen=True, kw_only=True)
class CertificateFiles:
    """PEM files of a certificate chain, its private key and its CA."""

    cert_file: Path
    key_file: Path
    ca_file: Path

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts the CA and shows this certificate."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.load_cert_chain(self.cert_file, self.key_file)
        return context


class Authority:
    """A certificate authority of one test, with its own key.

    Args:
        directory: Directory of the files; created if it does not exist.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        self._directory = directory
        self._ca = trustme.CA()
        self.ca_file = directory / "ca.pem"
        self._ca.cert_pem.write_to_path(str(self.ca_file))

    def server(
        self,
        name: str = "server",
        *,
        names: Sequence[str] = LOOPBACK_NAMES,
        not_before: dt.datetime | None = None,
        not_after: dt.datetime | None = None,
        key_type: trustme.KeyType = trustme.KeyType.ECDSA,
    ) -> CertificateFiles:
        """Issue a server certificate as `<name>.pem` and `<name>-key.pem`.

        A second certificate of the same name replaces both files atomically, one after the other.

        Args:
            name: Name of the files.
            names: Host names and addresses that it is valid for.
            not_before: When it becomes valid; the default is long ago.
            not_after: When it expires; the default is decades away.
            key_type: The kind of its key.
        """
        leaf = self._ca.issue_cert(
            *names, not_before=not_before, not_after=not_after, key_type=key_type
        )
        return self._write(name, leaf)

    def client(self, name: str) -> CertificateFiles:
        """Issue a client certificate with common name and DNS name `name`."""
        return self._write(name, self._ca.issue_cert(name, common_name=name))

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts this authority, without a client certificate."""
        return ssl.create_default_context(cafile=str(self.ca_file))

    def _write(self, name: str, leaf: trustme.LeafCert) -> CertificateFiles:
        files = CertificateFiles(
            cert_file=self._directory / f"{name}.pem",
            key_file=self._directory / f"{name}-key.pem",
            ca_file=self.ca_file,
        )
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        replace(files.cert_file, chain)
        replace(files.key_file, leaf.private_key_pem.bytes())
        return files
