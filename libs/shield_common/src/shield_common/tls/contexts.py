"""TLS contexts, built from files and rebuilt when the files change."""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NoReturn

from shield_common.filewatch import POLL_SECONDS, FileWatch
from shield_common.tls.certificate import CertificateError, read_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from shield_common.tls.certificate import Certificate


class TLSError(Exception):
    """Certificate files cannot be used; at start the service exits, later it keeps the old ones."""


class ServerCertificate:
    """A server's certificate, key and client CA, loaded again when their files change.

    Give ``context`` to the server once, and run `watch` as a background task. A connection keeps
    the files that it was accepted with; every later one gets the newest usable ones.

    Attributes:
        context: stable; every connection that it wraps gets the present certificate.
        certificate: the present one.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        client_ca_file: Path | None = None,
        on_reload: Callable[[str | None], None] = lambda _problem: None,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Load the files.

        Args:
            cert_file: PEM certificate chain.
            key_file: its PEM key, without a passphrase.
            client_ca_file: PEM certificates; a client must then show one that they signed.
            on_reload: called after every change of the files: with None if they are in use, with
                their problem if the old ones are kept.
            utc: the wall clock.

        Raises:
            TLSError: as for `server_context`.
        """
        self._files = (cert_file, key_file, client_ca_file)
        self._on_reload = on_reload
        self._utc = utc
        paths = [path for path in self._files if path is not None]
        # Before the files are read, so that no change falls in between.
        self._watch = FileWatch(paths, self._reload)
        self._valid_from: datetime | None = None
        self.context = _SwitchingContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.present, self.certificate = self._load()

    @property
    def not_after(self) -> datetime:
        """Return when the present certificate ends."""
        return self.certificate.not_after

    async def watch(self) -> None:
        """Poll every two seconds until cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.poll()

    async def poll(self) -> bool:
        """Look at the files once; return whether they were loaded or refused.

        A certificate that was refused because it is not valid yet is loaded once it is: the clocks
        of its issuer and of this machine may differ by some seconds.
        """
        if await self._watch.poll():
            return True
        if self._valid_from is None or self._utc() < self._valid_from:
            return False
        await self._reload()
        return True

    async def _reload(self) -> None:
        self._valid_from = None
        try:
            context, certificate = self._load()
            self._check_validity(certificate)
        except TLSError as error:
            self._on_reload(str(error))
            return
        self.context.present, self.certificate = context, certificate
        self._on_reload(None)

    def _check_validity(self, fresh: Certificate) -> None:
        """Refuse a certificate that clients refuse, as long as the present one is better."""
        now = self._utc()
        if not self.certificate.not_before <= now < self.certificate.not_after:
            return
        cert_file, _, _ = self._files
        if fresh.not_after <= now:
            raise TLSError(f"{cert_file}: expired at {fresh.not_after:%Y-%m-%dT%H:%M:%SZ}")
        if now < fresh.not_before:
            self._valid_from = fresh.not_before
            raise TLSError(f"{cert_file}: not valid until {fresh.not_before:%Y-%m-%dT%H:%M:%SZ}")

    def _load(self) -> tuple[ssl.SSLContext, Certificate]:
        cert_file, key_file, client_ca_file = self._files
        context = server_context(cert_file, key_file, client_ca_file=client_ca_file)
        try:
            return context, read_certificate(cert_file)
        except (OSError, CertificateError) as error:
            raise TLSError(f"{cert_file}: {_problem(error)}") from error


# What OpenSSL says most often about files, as `ssl.SSLError.reason`.
_OPENSSL: Final = {
    "KEY_VALUES_MISMATCH": "certificate and key do not belong together",
    "KEY_TYPE_MISMATCH": "certificate and key are of different kinds",
    "EE_KEY_TOO_SMALL": "the key is too short",
    "CA_MD_TOO_WEAK": "the signature's hash is too weak",
}


class _SwitchingContext(ssl.SSLContext):
    """Passes each connection to the present context; it has no certificate of its own.

    asyncio and uvloop wrap every connection with `wrap_bio`. The usual place to switch,
    ``sni_callback``, is too late: there OpenSSL has already copied the verify mode, and it resumes
    sessions of the outer context, so that a client whose CA was withdrawn is still accepted.
    """

    present: ssl.SSLContext

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the parent's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return self.present.wrap_bio(incoming, outgoing, server_side, server_hostname, session)


def server_context(
    cert_file: Path, key_file: Path, *, client_ca_file: Path | None = None
) -> ssl.SSLContext:
    """Build a server's context: TLS 1.2 or newer, HTTP/1.1 by ALPN.

    Args:
        cert_file: PEM certificate chain.
        key_file: its PEM key, without a passphrase.
        client_ca_file: PEM certificates; a client must then show one that they signed.

    Raises:
        TLSError: a file is missing, not PEM, or certificate and key do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION  # costs the server more than the client
    context.set_alpn_protocols(["http/1.1"])
    _load_chain(context, cert_file, key_file)
    if client_ca_file is not None:
        try:
            context.load_verify_locations(client_ca_file)
        except OSError as error:
            raise TLSError(f"{client_ca_file}: {_problem(error)}") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(
    *, ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
) -> ssl.SSLContext:
    """Build a client's context; host names are checked.

    Args:
        ca_file: PEM certificates that may sign the server's; the system's by default.
        cert_file: PEM client certificate, with ``key_file``.
        key_file: its PEM key, without a passphrase.

    Raises:
        TLSError: a file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise TLSError(f"{ca_file}: {_problem(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        _load_chain(context, cert_file, key_file or cert_file)
    return context


def _load_chain(context: ssl.SSLContext, cert_file: Path, key_file: Path) -> None:
    try:
        context.load_cert_chain(cert_file, key_file, password=_no_passphrase)
    except (OSError, ValueError) as error:  # includes ssl.SSLError
        raise TLSError(f"{cert_file}, {key_file}: {_problem(error)}") from error


def _no_passphrase() -> NoReturn:
    # Without this OpenSSL would ask for it on the terminal, and wait.
    raise ValueError("the key has a passphrase, which a service cannot enter")


def _problem(error: Exception) -> str:
    """Return an error in words; OpenSSL's own are names and lines of its source."""
    if isinstance(error, ssl.SSLError):
        return _OPENSSL.get(error.reason or "", "a file is not PEM, or not what it should be")
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
