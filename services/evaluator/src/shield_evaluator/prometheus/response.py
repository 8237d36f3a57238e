"""Prometheus' answers as types.

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from shield_evaluator.core.observation import Sample

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class _MemberLabels(Struct, gc=False):
    """The labels that name an etcd member, the first that is there counts.

    Only these are decoded: a dict of all labels of a series costs more than all the rest of it.
    """

    instance: str | UnsetType = UNSET
    pod: str | UnsetType = UNSET
    member: str | UnsetType = UNSET
    node: str | UnsetType = UNSET

    def name(self) -> str | None:
        """Return the member's name; None if no label says it."""
        for label in (self.instance, self.pod, self.member, self.node):
            if label is not UNSET:
                return label
        return None


MEMBER_LABELS: Final = _MemberLabels.__struct_fields__


class _Point(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    at: float
    value: str


class _Series(Struct, gc=False):
    metric: _MemberLabels
    value: _Point


class _LabelledSeries(Struct):
    metric: dict[str, str]
    value: _Point


Result = TypeVar("Result")


class _Data(Struct, Generic[Result]):
    resultType: str  # noqa: N815 - Prometheus' name
    result: Result


class Response(Struct, Generic[Result]):
    """What stands around every query's result."""

    status: str
    data: _Data[Result] | None = None
    error: str = ""
    errorType: str = ""  # noqa: N815 - Prometheus' name
    warnings: list[str] | None = None


_any = msgspec.json.Decoder(Response[Raw])
_vector = msgspec.json.Decoder(Response[list[_Series]])
_labelled_vector = msgspec.json.Decoder(Response[list[_LabelledSeries]])


def parse(body: bytes) -> Answer:
    """Read the body of a successful instant query.

    Raises:
        PrometheusError: not a success, not JSON, or not an instant vector.
    """
    series, warnings = parse_result(body, _vector, "vector", "an instant vector")
    members = [name for one in series if (name := one.metric.name()) is not None]
    if len(members) < len(series):
        labelled, _ = parse_result(body, _labelled_vector, "vector", "an instant vector")
        members = [member_of(one.metric) for one in labelled]
    try:
        samples = tuple(map(Sample, members, [float(one.value.value) for one in series]))
    except ValueError as error:
        raise malformed(error) from error
    return Answer(samples, warnings)


def parse_result(
    body: bytes, decoder: msgspec.json.Decoder[Response[Result]], kind: str, called: str
) -> tuple[Result, tuple[str, ...]]:
    """Read a query's result and what stands around it.

    Args:
        body: of a response with status 200.
        decoder: for the result type that is wanted.
        kind: that type's name.
        called: the same, for the message.

    Returns:
        The result, and what the server said about its completeness.

    Raises:
        PrometheusError: not a success, not JSON, or another result type.
    """
    try:
        data, warnings = _success(decoder.decode(body), kind, called)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # Another type's result does not fit either, and then the type is what to tell.
        try:
            _success(_any.decode(body), kind, called)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as worse:
            raise malformed(worse) from worse
        raise malformed(error) from error
    return data.result, warnings


def _success(
    response: Response[Result], kind: str, called: str
) -> tuple[_Data[Result], tuple[str, ...]]:
    if response.status != "success" or response.data is None:
        raise PrometheusError("malformed", f"status {response.status!r}: {response.error[:200]}")
    if response.data.resultType != kind:
        raise PrometheusError(
            "wrong_type", f"the query gives a {response.data.resultType[:20]}, not {called}"
        )
    warnings = tuple(w for w in response.warnings or () if not w.startswith(_STYLE_REMARK))
    return response.data, warnings


def malformed(error: Exception) -> PrometheusError:
    """Return the error of an answer that cannot be read."""
    return PrometheusError("malformed", f"not an answer of Prometheus' API: {error}")


def parse_error(body: bytes) -> str:
    """Return the server's own words from the body of a failed query, bounded; never raises."""
    try:
        response = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{response.errorType}: {response.error}"[:200]


def member_of(labels: Mapping[str, str]) -> str:
    """Name the etcd member that a series is about."""
    for label in MEMBER_LABELS:
        if label in labels:
            return labels[label]
    return ",".join(f"{k}={v}" for k, v in sorted(labels.items()) if k != "__name__")
