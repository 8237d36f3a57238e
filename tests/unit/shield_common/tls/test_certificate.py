"""When a certificate ends, read from its bytes."""

import contextlib
import datetime as dt
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from shield_common.tls.certificate import CertificateError, not_after, read_not_after

NAME = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "etcd-shield" * 5)])
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


@pytest.mark.parametrize(
    "year",
    [1951, 1969, 1999, 2000, 2026, 2049, 2050, 2068, 2069, 9999],
)
def test_the_end_is_read_in_every_century(year: int) -> None:
    moment = dt.datetime(year, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
    assert moment == not_after(certificate_ending(moment))


def test_the_first_certificate_of_a_chain_counts(tmp_path: Path) -> None:
    leaf_ends = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    ca = trustme.CA()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(
        b"# the leaf\n"
        + ca.issue_cert("leaf", not_after=leaf_ends).cert_chain_pems[0].bytes()
        + ca.cert_pem.bytes()
    )
    assert leaf_ends == read_not_after(chain)


def test_a_key_and_its_certificate_may_share_a_file(tmp_path: Path) -> None:
    leaf_ends = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    both = tmp_path / "both.pem"
    leaf = trustme.CA().issue_cert("leaf", not_after=leaf_ends)
    both.write_bytes(leaf.private_key_and_cert_chain_pem.bytes())
    assert leaf_ends == read_not_after(both)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xff\xfe", id="binary"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n", id="half"),
        pytest.param(pem(""), id="nothing-inside"),
        pytest.param(pem("MAMCAQE="), id="another-structure"),
        pytest.param(pem("%%%"), id="not-base64"),
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tls.crt"
    path.write_bytes(content)
    with pytest.raises(CertificateError):
        read_not_after(path)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused_in_the_documented_ways(der: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        not_after(der)


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_a_changed_byte_is_harmless_or_refused(position: int, value: int) -> None:
    changed = VALID[:position] + bytes([value]) + VALID[position + 1 :]
    with contextlib.suppress(ValueError, IndexError):
        assert isinstance(not_after(changed), dt.datetime)
