"""What a certificate says: when it begins and ends, and which names it is for."""

import contextlib
import datetime as dt
import ssl
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shield_common.tls.certificate import Certificate, CertificateError, read_certificate

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "etcd-shield" * 5)])
ENDS = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
BORN = dt.datetime(1950, 1, 1, tzinfo=dt.UTC)
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate_ending(moment: dt.datetime) -> bytes:
    builder = x509.CertificateBuilder(
        issuer_name=NAME,
        subject_name=NAME,
        public_key=KEY.public_key(),
        serial_number=2**150,
        not_valid_before=BORN,
        not_valid_after=moment,
    )
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.DER)


def pem(base64: str) -> bytes:
    return f"-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n".encode()


VALID = certificate_ending(dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC))


def read(directory: Path, content: bytes) -> Certificate:
    path = directory / "tls.crt"
    path.write_bytes(content)
    return read_certificate(path)


def wrapped(der: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(der).encode()


@pytest.mark.parametrize("year", [1951, 1969, 1999, 2000, 2026, 2049, 2050, 2068, 2069, 9999])
def test_the_end_is_read_in_every_century(tmp_path: Path, year: int) -> None:
    moment = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert moment == read(tmp_path, wrapped(certificate_ending(moment))).not_after


def test_the_start_of_validity_is_read(tmp_path: Path) -> None:
    assert BORN == read(tmp_path, wrapped(VALID)).not_before


def test_the_first_certificate_of_a_chain_counts(tmp_path: Path) -> None:
    ca = trustme.CA()
    leaf = ca.issue_cert("leaf", not_after=ENDS).cert_chain_pems[0].bytes()
    assert ENDS == read(tmp_path, b"# the leaf\n" + leaf + ca.cert_pem.bytes()).not_after


def test_a_key_and_its_certificate_may_share_a_file(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("leaf", not_after=ENDS)
    assert ENDS == read(tmp_path, leaf.private_key_and_cert_chain_pem.bytes()).not_after


def test_the_names_are_dns_names_and_addresses(tmp_path: Path) -> None:
    leaf = trustme.CA().issue_cert("a.example", "127.0.0.1", "::1", common_name="not-this")
    certificate = read(tmp_path, leaf.cert_chain_pems[0].bytes())
    assert ("a.example", "127.0.0.1", "::1") == certificate.names


def test_a_certificate_without_names_is_for_no_host(tmp_path: Path) -> None:
    certificate = read(tmp_path, wrapped(VALID))
    assert ((), False) == (certificate.names, certificate.is_for("etcd-shield"))


@pytest.mark.parametrize(
    ("names", "host", "expected"),
    [
        (("shield.etcd.svc",), "shield.etcd.svc", True),
        (("shield.etcd.svc",), "SHIELD.etcd.svc.", True),
        (("other.svc", "shield.etcd.svc"), "shield.etcd.svc", True),
        (("shield.etcd.svc",), "shield.etcd", False),
        (("shield.etcd.svc",), "etcd.svc", False),
        (("shield.etcd.svc.cluster.local",), "shield.etcd.svc", False),
        (("*.etcd.svc",), "shield.etcd.svc", True),
        (("*.svc",), "shield.etcd.svc", False),
        (("sh*.etcd.svc",), "shield.etcd.svc", False),
        (("*",), "shield", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("*.0.0.1",), "10.0.0.1", False),
        ((), "shield.etcd.svc", False),
    ],
)
def test_the_names_decide_which_host_a_certificate_is_for(
    names: tuple[str, ...], host: str, expected: bool
) -> None:
    certificate = Certificate(not_before=BORN, not_after=ENDS, names=names)
    assert expected is certificate.is_for(host)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="binary"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n", id="half"),
        pytest.param(pem(""), id="nothing inside"),
        pytest.param(pem("MAMCAQE="), id="another structure"),
        pytest.param(pem("%%%"), id="not base64"),
        pytest.param(VALID, id="no PEM"),
    ],
)
def test_a_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(CertificateError):
        read(tmp_path, content)


def test_a_certificate_of_another_version_is_refused(tmp_path: Path) -> None:
    version_3 = b"\xa0\x03\x02\x01\x02"
    with pytest.raises(CertificateError, match="damaged"):
        read(tmp_path, wrapped(VALID.replace(version_3, version_3[:-1] + b"\x01", 1)))


@pytest.mark.filterwarnings("ignore")  # cryptography warns about oddities that it still reads
@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_is_harmless_or_refused(tmp_path: Path, position: int, value: int) -> None:
    changed = VALID[:position] + bytes([value]) + VALID[position + 1 :]
    with contextlib.suppress(CertificateError):
        assert isinstance(read(tmp_path, wrapped(changed)).not_after, dt.datetime)
