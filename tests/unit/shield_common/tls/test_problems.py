"""What is said about files that are no certificate, or not the right one."""

from pathlib import Path

import pytest
import trustme

from shield_common.tls.contexts import TLSError, client_context, server_context


@pytest.fixture
def ours(tmp_path: Path) -> tuple[Path, Path]:
    issued = trustme.CA().issue_cert("shield.example")
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return cert, key


def refusal(cert: Path, key: Path) -> str:
    with pytest.raises(TLSError) as refused:
        server_context(cert, key)
    return str(refused.value)


def test_a_certificate_that_is_missing_is_said_in_words(ours: tuple[Path, Path]) -> None:
    _, key = ours
    absent = key.parent / "absent.crt"
    assert f"{absent}, {key}: No such file or directory" == refusal(absent, key)


def test_a_directory_instead_of_a_certificate_is_said_in_words(ours: tuple[Path, Path]) -> None:
    _, key = ours
    assert f"{key.parent}, {key}: Is a directory" == refusal(key.parent, key)


def test_a_certificate_that_is_not_pem_is_said_in_words(ours: tuple[Path, Path]) -> None:
    cert, key = ours
    cert.write_text("no certificate")
    said = "a file is not PEM, or not what it should be"
    assert f"{cert}, {key}: {said}" == refusal(cert, key)


def test_a_key_of_another_certificate_is_said_in_words(ours: tuple[Path, Path]) -> None:
    cert, key = ours
    trustme.CA().issue_cert("other.example").private_key_pem.write_to_path(key)
    said = "certificate and key do not belong together"
    assert f"{cert}, {key}: {said}" == refusal(cert, key)


def test_an_empty_ca_file_is_said_in_words(tmp_path: Path) -> None:
    path = tmp_path / "ca.crt"
    path.write_text("")
    with pytest.raises(TLSError) as refused:
        client_context(ca_file=path)
    assert f"{path}: a file is not PEM, or not what it should be" == str(refused.value)
