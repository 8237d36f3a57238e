"""Which names a client's certificate bears."""

from __future__ import annotations

from typing import Any


def certificate_names(certificate: dict[str, Any]) -> frozenset[str]:
    """Return the common names and DNS names of a verified certificate.

    Args:
        certificate: as ``ssl.SSLObject.getpeercert()`` returns it; empty without one.
    """
    subject = (pair for part in certificate.get("subject", ()) for pair in part)
    return frozenset(
        [value for kind, value in subject if kind == "commonName"]
        + [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    )
