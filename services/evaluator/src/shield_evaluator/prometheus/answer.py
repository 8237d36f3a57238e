"""Prometheus' answers as types.

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import Raw, Struct

from shield_evaluator.core.observation import Sample

# Which label names the etcd member; the first that is there counts.
MEMBER_LABELS = ("instance", "pod", "member", "node")

# Prometheus 2.49 to 2.55 lists remarks on the query's style among the warnings; they say nothing
# about whether the answer is complete.
_STYLE_REMARK = "PromQL info:"


class PrometheusError(Exception):
    """A query gave no usable answer; `PrometheusSource` counts it and the latches hold.

    Attributes:
        kind: for a metric label: ``timeout``, ``connection``, ``tls``, ``redirect``,
            ``credentials``, ``unauthorized``, ``bad_query``, ``unavailable``, ``status``,
            ``too_large``, ``malformed`` or ``wrong_type``.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


KINDS = (
    "timeout",
    "connection",
    "tls",
    "redirect",
    "credentials",
    "unauthorized",
    "bad_query",
    "unavailable",
    "status",
    "too_large",
    "malformed",
    "wrong_type",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query returned.

    Attributes:
        samples: one per series.
        warnings: what the server said about the answer's completeness.
    """

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...]


class _Series(Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Data(Struct):
    resultType: str  # noqa: N815 - Prometheus' name
    result: Raw


class _Response(Struct):
    status: str
    data: _Data | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815 - Prometheus' name
    warnings: list[str] | None = None


_response = msgspec.json.Decoder(_Response)
_vector = msgspec.json.Decoder(list[_Series])


def parse(body: bytes) -> Answer:
    """Read the body of a successful instant query.

    Raises:
        PrometheusError: not a success, not JSON, or not an instant vector.
    """
    result, warnings = parse_envelope(body, "vector", "an instant vector")
    try:
        series = _vector.decode(result)
        samples = tuple(Sample(member_of(one.metric), float(one.value[1])) for one in series)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise PrometheusError("malformed", f"not an answer of Prometheus' API: {error}") from error
    return Answer(samples, warnings)


def parse_envelope(body: bytes, kind: str, called: str) -> tuple[Raw, tuple[str, ...]]:
    """Read what stands around every query's result.

    Args:
        body: of a response with status 200.
        kind: the result type that is wanted.
        called: the same, for the message.

    Returns:
        The result, and what the server said about its completeness.

    Raises:
        PrometheusError: not a success, not JSON, or another result type.
    """
    try:
        response = _response.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PrometheusError("malformed", f"not an answer of Prometheus' API: {error}") from error
    if response.status != "success" or response.data is None:
        raise PrometheusError("malformed", f"status {response.status!r}: {response.error[:200]}")
    if response.data.resultType != kind:
        raise PrometheusError(
            "wrong_type", f"the query gives a {response.data.resultType[:20]}, not {called}"
        )
    warnings = tuple(w for w in response.warnings or () if not w.startswith(_STYLE_REMARK))
    return response.data.result, warnings


def parse_error(body: bytes) -> str:
    """Return the server's own words from the body of a failed query, bounded; never raises."""
    try:
        response = _response.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{response.errorType}: {response.error}"[:200]


def member_of(labels: dict[str, str]) -> str:
    """Name the etcd member that a series is about."""
    for label in MEMBER_LABELS:
        if label in labels:
            return labels[label]
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "__name__")
