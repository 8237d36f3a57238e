"""Certificates that change under a running TLS server (FAULTS A13, A14)."""

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import uvloop
from cryptography.hazmat.primitives import serialization

from shield_common.tls.contexts import ServerCertificate, TLSError, server_context
from tests.rig.certificates import Authority, CertificateFiles
from tests.rig.ports import LOOPBACK

TLS_VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls-1.2", "tls-1.3"]
)
LOOPS = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
NOW = dt.datetime(2026, 11, 21, 10, tzinfo=dt.UTC)
SECONDS = 10.0  # for one exchange on a busy machine

Run = Callable[[Coroutine[None, None, None]], None]


@dataclass(frozen=True)
class Answer:
    """What a client got: the server's certificate (DER) and the session to resume, or neither."""

    certificate: bytes | None = None
    session: ssl.SSLSession | None = None

    @property
    def served(self) -> bool:
        return self.certificate is not None


@asynccontextmanager
async def echo_server(context: ssl.SSLContext) -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    # A client that hangs up is not news.
    asyncio.get_running_loop().set_exception_handler(lambda _loop, _context: None)
    server = await asyncio.start_server(echo, LOOPBACK, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


def talk(
    port: int,
    context: ssl.SSLContext,
    *,
    name: str | None = "localhost",
    session: ssl.SSLSession | None = None,
) -> Answer:
    """Send a line; a TLS 1.3 client learns only from the answer whether it is welcome."""
    try:
        with (
            socket.create_connection((LOOPBACK, port), SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name, session=session) as secured,
        ):
            secured.sendall(b"hello\n")
            if secured.recv(6) != b"hello\n":
                return Answer()
            return Answer(secured.getpeercert(binary_form=True), secured.session)
    except OSError:
        return Answer()


async def ask(
    port: int,
    context: ssl.SSLContext,
    *,
    name: str | None = "localhost",
    session: ssl.SSLSession | None = None,
) -> Answer:
    return await asyncio.to_thread(talk, port, context, name=name, session=session)


def client(
    authority: Authority,
    shown: CertificateFiles | None = None,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> ssl.SSLContext:
    context = authority.client_context()
    context.minimum_version = context.maximum_version = version
    if shown is not None:
        context.load_cert_chain(shown.cert_file, shown.key_file)
    return context


def der(files: CertificateFiles) -> bytes:
    return ssl.PEM_cert_to_DER_cert(files.cert_file.read_text())


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@LOOPS
@TLS_VERSIONS
def test_a14_a_replaced_pair_is_served_to_the_next_client(
    authority: Authority, version: ssl.TLSVersion, run: Run
) -> None:
    async def story() -> None:
        files = authority.server()
        certificate = ServerCertificate(files.cert_file, files.key_file)
        async with echo_server(certificate.context) as port:
            fresh = authority.server(key_type=trustme.KeyType.RSA)
            assert await certificate.poll()
            assert der(fresh) == (await ask(port, client(authority, version=version))).certificate

    run(story())


async def test_a14_a_client_that_names_no_server_gets_the_new_pair_too(
    authority: Authority,
) -> None:
    files = authority.server()
    certificate = ServerCertificate(files.cert_file, files.key_file)
    nameless = client(authority)
    nameless.check_hostname = False
    async with echo_server(certificate.context) as port:
        fresh = authority.server()
        await certificate.poll()
        assert der(fresh) == (await ask(port, nameless, name=None)).certificate


@LOOPS
def test_a14_an_open_connection_survives_the_replacement(authority: Authority, run: Run) -> None:
    async def story() -> None:
        files = authority.server()
        certificate = ServerCertificate(files.cert_file, files.key_file)
        async with echo_server(certificate.context) as port:
            reader, writer = await asyncio.open_connection(
                LOOPBACK, port, ssl=authority.client_context(), server_hostname="localhost"
            )
            authority.server(key_type=trustme.KeyType.RSA)
            await certificate.poll()
            writer.write(b"still here\n")
            assert b"still here\n" == await asyncio.wait_for(reader.readline(), SECONDS)
            writer.close()
            await writer.wait_closed()

    run(story())


@TLS_VERSIONS
@LOOPS
def test_a14_a_withdrawn_client_ca_counts_for_the_next_handshake(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion, run: Run
) -> None:
    old, new = Authority(tmp_path / "old"), Authority(tmp_path / "new")
    trusted = tmp_path / "clients.pem"
    trusted.write_bytes(old.ca_file.read_bytes())
    files = authority.server()
    before = client(authority, old.client("before"), version)
    after = client(authority, new.client("after"), version)

    async def story() -> None:
        certificate = ServerCertificate(files.cert_file, files.key_file, client_ca_file=trusted)
        async with echo_server(certificate.context) as port:
            first = await ask(port, before)
            assert (True, False) == (first.served, (await ask(port, after)).served)
            trusted.write_bytes(new.ca_file.read_bytes())
            await certificate.poll()
            assert not (await ask(port, before)).served
            assert not (await ask(port, before, session=first.session)).served
            assert (await ask(port, after)).served

    run(story())


async def test_a12_a_client_without_a_certificate_is_refused_when_one_is_asked_for(
    authority: Authority,
) -> None:
    files = authority.server()
    certificate = ServerCertificate(
        files.cert_file, files.key_file, client_ca_file=authority.ca_file
    )
    async with echo_server(certificate.context) as port:
        assert not (await ask(port, client(authority))).served


def _mismatched(authority: Authority, files: CertificateFiles) -> None:
    other = authority.server("other")
    files.key_file.write_bytes(other.key_file.read_bytes())


def _garbage(_: Authority, files: CertificateFiles) -> None:
    files.cert_file.write_text("not a certificate")


def _half(_: Authority, files: CertificateFiles) -> None:
    files.cert_file.write_bytes(files.cert_file.read_bytes()[:200])


def _gone(_: Authority, files: CertificateFiles) -> None:
    files.key_file.unlink()


def _expired(authority: Authority, _: CertificateFiles) -> None:
    authority.server(not_after=NOW - dt.timedelta(days=1))


def _of_tomorrow(authority: Authority, _: CertificateFiles) -> None:
    authority.server(not_before=NOW + dt.timedelta(days=1))


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        pytest.param(_mismatched, "do not belong together", id="mismatched"),
        pytest.param(_garbage, "PEM", id="garbage"),
        pytest.param(_half, "PEM", id="half"),
        pytest.param(_gone, "No such file", id="gone"),
        pytest.param(_expired, "expired at 2026-11-20", id="expired"),
        pytest.param(_of_tomorrow, "not valid until 2026-11-22", id="s11 of tomorrow"),
    ],
)
async def test_a14_an_unusable_pair_keeps_the_old_one_and_says_so(
    authority: Authority,
    spoil: Callable[[Authority, CertificateFiles], None],
    problem: str,
) -> None:
    files = authority.server()
    kept = der(files)
    problems: list[str | None] = []
    certificate = ServerCertificate(
        files.cert_file, files.key_file, on_reload=problems.append, utc=lambda: NOW
    )
    async with echo_server(certificate.context) as port:
        spoil(authority, files)
        await certificate.poll()
        assert kept == (await ask(port, client(authority))).certificate
    (reported,) = problems
    assert problem.lower() in str(reported).lower()


async def test_a14_a_good_pair_after_a_bad_one_is_loaded(authority: Authority) -> None:
    files = authority.server()
    problems: list[str | None] = []
    certificate = ServerCertificate(files.cert_file, files.key_file, on_reload=problems.append)
    _garbage(authority, files)
    await certificate.poll()
    ends = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
    authority.server(not_after=ends)
    await certificate.poll()
    assert (ends, None) == (certificate.not_after, problems[-1])


async def test_an_expired_certificate_may_follow_one_that_expired_too(
    authority: Authority,
) -> None:
    files = authority.server(not_after=NOW - dt.timedelta(days=2))
    certificate = ServerCertificate(files.cert_file, files.key_file, utc=lambda: NOW)
    authority.server(not_after=NOW - dt.timedelta(days=1))
    await certificate.poll()
    assert NOW - dt.timedelta(days=1) == certificate.not_after


class Clock:
    def __init__(self, now: dt.datetime) -> None:
        self.now = now

    def __call__(self) -> dt.datetime:
        return self.now


@pytest.mark.shows("trial S11")
async def test_a_certificate_of_tomorrow_is_served_once_it_is_valid(authority: Authority) -> None:
    files = authority.server()
    clock = Clock(NOW)
    problems: list[str | None] = []
    certificate = ServerCertificate(
        files.cert_file, files.key_file, on_reload=problems.append, utc=clock
    )
    tomorrow = NOW + dt.timedelta(days=1)
    authority.server(not_before=tomorrow)
    assert await certificate.poll()
    assert not await certificate.poll()
    clock.now = tomorrow
    assert await certificate.poll()
    assert (tomorrow, None) == (certificate.certificate.not_before, problems[-1])


@pytest.mark.shows("trial S11")
async def test_a_certificate_of_tomorrow_that_was_taken_back_is_not_served(
    authority: Authority,
) -> None:
    files = authority.server()
    clock = Clock(NOW)
    certificate = ServerCertificate(files.cert_file, files.key_file, utc=clock)
    authority.server(not_before=NOW + dt.timedelta(days=1))
    await certificate.poll()
    kept = der(authority.server())
    await certificate.poll()
    clock.now = NOW + dt.timedelta(days=1)
    assert not await certificate.poll()
    async with echo_server(certificate.context) as port:
        assert kept == (await ask(port, client(authority))).certificate


@pytest.mark.shows("trial S11")
async def test_a_certificate_of_tomorrow_may_follow_an_expired_one(authority: Authority) -> None:
    files = authority.server(not_after=NOW - dt.timedelta(days=2))
    certificate = ServerCertificate(files.cert_file, files.key_file, utc=lambda: NOW)
    authority.server(not_before=NOW + dt.timedelta(days=1))
    await certificate.poll()
    assert NOW + dt.timedelta(days=1) == certificate.certificate.not_before


def test_a13_nothing_below_tls_1_2_is_spoken(authority: Authority) -> None:
    files = authority.server()
    assert ssl.TLSVersion.TLSv1_2 == server_context(files.cert_file, files.key_file).minimum_version


def test_a_key_with_a_passphrase_is_refused_instead_of_asked_for(authority: Authority) -> None:
    files = authority.server()
    key = serialization.load_pem_private_key(files.key_file.read_bytes(), password=None)
    files.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    with pytest.raises(TLSError, match="passphrase"):
        ServerCertificate(files.cert_file, files.key_file)
