"""Signs in an answer that data is missing from it, beyond the ``warnings`` of Prometheus' API.

Servers that are compatible with Prometheus answer with what they have when one of their storage
nodes is away, and say so each in its own way:

    ``warnings``                       Prometheus (remote read), Thanos, Mimir, Cortex, promxy, M3
    ``"isPartial": true``              VictoriaMetrics, beside ``status``
    header ``M3-Results-Limited``      M3

Any field or header that by its name is about partial, truncated, failed or missing results is taken
the same way, wherever it is beside the result: a maximum over what a server has is only a lower
bound of the truth. A name that is mistaken for one keeps a tier closed, and its text says why.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Fields that say that something is missing, and fields that say that nothing is.
_MISSING: Final = re.compile(
    r"partial|incomplete|truncat|limited|limit_?(reached|exceeded)|degraded|warning|missing|fail"
    r"|unavailable|timed_?out|skipped|dropped|stale|errors|next_?token",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(
    r"^(is_?)?(complete|completeness|exhaustive|full)(_?results?)?$", re.IGNORECASE
)
_NEGATIONS: Final = {"", "0", "false", "no", "none", "null", "off"}
_KNOWN: Final = ("warnings", "infos")  # decoded with the answer, or about the query's style
_RESULTS: Final = {"result", "groups"}
# `Warning` is HTTP's own (RFC 7234, 5.5); caches send it with an answer that is out of date.
_MISSING_HEADER: Final = re.compile(
    r"partial|incomplete|truncated|results?-limited|missing|degraded|failed|^(x-)?warnings?$",
    re.IGNORECASE,
)
_WHOLE_HEADER: Final = re.compile(r"(^|-)(complete|exhaustive)$", re.IGNORECASE)
_MAX_DEPTH: Final = 8  # of objects in objects; statistics of known servers have three levels
MAX_TEXT: Final = 200  # characters of a remark that are shown


def incompleteness(body: bytes) -> tuple[str, ...]:
    """Return remarks on what is missing, from the fields beside an answer's result.

    Args:
        body: a JSON object.

    Raises:
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: a field beside the result cannot be
            decoded. Decoding to types skips such fields, and checks less of them.
    """
    document = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    data = document.pop("data", msgspec.Raw(b"null"))
    beside = {name: msgspec.json.decode(raw) for name, raw in document.items()}
    if bytes(data).lstrip().startswith(b"{"):
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        # The result is the largest part by far, and its labels can have any name.
        beside["data"] = {
            name: msgspec.json.decode(raw) for name, raw in fields.items() if name not in _RESULTS
        }
    for name in _KNOWN:
        beside.pop(name, None)
    return tuple(_remarks(beside))


def header_incompleteness(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return remarks on what is missing, from the headers of a response."""
    return tuple(
        f"the answer is incomplete ({name}: {value})"[:MAX_TEXT]
        for name, value in headers.items()
        if (_MISSING_HEADER.search(name) and _says_yes(value))
        or (_WHOLE_HEADER.search(name) and not _says_yes(value))
    )


def _remarks(value: object, depth: int = 0) -> Iterator[str]:
    """Return a remark for each field that says that something is missing, at any depth."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(value, list):
        for each in value:
            yield from _remarks(each, depth + 1)
    if not isinstance(value, dict):
        return
    for name, field in value.items():
        missing = _MISSING.search(name) is not None and _says_yes(field)
        if missing or (_WHOLE.search(name) is not None and not _is_whole(field)):
            shown = msgspec.json.encode(field).decode()
            yield f"the answer is incomplete ({name}: {shown})"[:MAX_TEXT]
        else:
            yield from _remarks(field, depth + 1)


def _says_yes(value: object) -> bool:
    return value.strip().lower() not in _NEGATIONS if isinstance(value, str) else bool(value)


def _is_whole(value: object) -> bool:
    return value >= 1 if isinstance(value, int | float) else _says_yes(value)
