"""What the standard library does not tell about a certificate on disk: when it ends.

Only as much DER as it takes to walk to that field (RFC 5280, 4.1). The ``cryptography`` package
reads everything, and costs more memory than the rest of an admitter.
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_PEM: Final = re.compile(
    r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL | re.ASCII
)
_VERSION_TAG: Final = 0xA0  # [0], explicit; absent in version 1 certificates
_UTC_TIME: Final = 0x17
_FORMATS: Final = {_UTC_TIME: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}  # 0x18: GeneralizedTime
# RFC 5280, 4.1.2.5.1: two-digit years from 50 on belong to the last century; Python's pivot is 69.
_LAST_UTC_TIME_YEAR: Final = 2049


class CertificateError(Exception):
    """A file holds no certificate that can be read; `shield_common.tls.contexts` reports it."""


def read_not_after(path: Path) -> datetime:
    """Return when the first certificate of a PEM file ends.

    Raises:
        OSError: the file cannot be read.
        CertificateError: it does not begin with a PEM certificate.
    """
    pem = _PEM.search(path.read_text(encoding="ascii", errors="replace"))
    if pem is None:
        raise CertificateError("holds no PEM certificate")
    try:
        return not_after(ssl.PEM_cert_to_DER_cert(pem[0]))
    except (ValueError, IndexError) as error:
        raise CertificateError(f"holds a damaged certificate: {error}") from error


def not_after(der: bytes) -> datetime:
    """Return when a certificate ends.

    Raises:
        ValueError, IndexError: these bytes are no certificate.
    """
    _, certificate, _ = _element(der)
    _, fields, _ = _element(certificate)
    if fields[0] == _VERSION_TAG:
        _, _, fields = _element(fields)
    for _ in ("serial number", "signature algorithm", "issuer"):
        _, _, fields = _element(fields)
    _, validity, _ = _element(fields)
    _, _, rest = _element(validity)
    tag, text, _ = _element(rest)
    if tag not in _FORMATS:
        raise ValueError(f"tag {tag:#x} instead of a time")
    moment = datetime.strptime(text.decode("ascii"), _FORMATS[tag]).replace(tzinfo=UTC)
    if tag == _UTC_TIME and moment.year > _LAST_UTC_TIME_YEAR:
        moment = moment.replace(year=moment.year - 100)
    return moment


def _element(der: bytes) -> tuple[int, bytes, bytes]:
    """Split off the first element: its tag, its content, and what follows it."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:  # long form: so many bytes of length follow
        start += length & 0x7F
        length = int.from_bytes(der[2:start])
    end = start + length
    if end > len(der):
        raise ValueError("an element is longer than what holds it")
    return tag, der[start:end], der[end:]
