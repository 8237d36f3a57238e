"""Signs in an answer that data is missing from it, beyond the ``warnings`` of Prometheus' API.

Servers that are compatible with Prometheus answer with what they have when one of their storage
nodes is away, and say so each in its own way:

    ``warnings``                       Prometheus (remote read), Thanos, Mimir, Cortex, promxy, M3
    ``"isPartial": true``              VictoriaMetrics, beside ``status``
    header ``M3-Results-Limited``      M3

Any field or header that by its name is about partial, incomplete, truncated or limited results is
taken the same way: a maximum over what a server has is only a lower bound of the truth.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Fields that say that something is missing, and fields that say that nothing is.
_MISSING: Final = re.compile(r"partial|incomplete|truncat|limited|degraded|warning", re.IGNORECASE)
_WHOLE: Final = re.compile(r"^(is_?)?(complete|exhaustive|full)$", re.IGNORECASE)
_WORTH_A_LOOK: Final = re.compile(
    rb"partial|incomplete|truncat|limited|degraded|\"warning|complete\"|exhaustive|full\"",
    re.IGNORECASE,
)
_NEGATIONS: Final = {"", "0", "false", "no", "none", "null", "off"}
_KNOWN: Final = {"warnings"}  # decoded with the answer
_HEADERS: Final = re.compile(r"(partial|incomplete|truncated|results-limited)", re.IGNORECASE)
MAX_TEXT: Final = 200  # characters of a remark that are shown


def incompleteness(body: bytes) -> tuple[str, ...]:
    """Return remarks on what is missing, from the fields beside an answer's result.

    Args:
        body: a JSON document that has been decoded before.
    """
    if not _WORTH_A_LOOK.search(body):
        return ()
    document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    remarks = list(_remarks(document))
    data = document.get("data")
    if data is not None and bytes(data).lstrip().startswith(b"{"):
        remarks += _remarks(msgspec.json.decode(data, type=dict[str, msgspec.Raw]))
    return tuple(remarks)


def header_incompleteness(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return remarks on what is missing, from the headers of a response."""
    return tuple(
        f"the answer is incomplete ({name}: {value})"[:MAX_TEXT]
        for name, value in headers.items()
        if _HEADERS.search(name) and _says_yes(value)
    )


def _remarks(fields: Mapping[str, msgspec.Raw]) -> Iterator[str]:
    for name, raw in fields.items():
        if name in _KNOWN or name in {"data", "result"}:
            continue
        value = msgspec.json.decode(raw)
        missing = _MISSING.search(name) is not None and _says_yes(value)
        if missing or (_WHOLE.search(name) is not None and not _says_yes(value)):
            yield f"the answer is incomplete ({name}: {bytes(raw).decode()})"[:MAX_TEXT]


def _says_yes(value: object) -> bool:
    return value.strip().lower() not in _NEGATIONS if isinstance(value, str) else bool(value)
