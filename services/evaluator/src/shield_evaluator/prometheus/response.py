"""Answers to instant queries as types, and what every answer of the API has in common.

Source of the form: https://prometheus.io/docs/prometheus/latest/querying/api/#expression-query-result-formats
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct

from shield_evaluator.core.observation import Sample, is_usable
from shield_evaluator.prometheus.completeness import incompleteness
from shield_evaluator.prometheus.members import MemberLabels, member_names

if TYPE_CHECKING:
    from collections.abc import Sequence

# Prometheus 2.49 to 2.55 lists remarks on the query's style among the warnings; they say nothing
# about the completeness of the answer.
_STYLE_REMARK: Final = "PromQL info:"

KINDS: Final = (
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


class PrometheusError(Exception):
    """A query gave no usable answer; `PrometheusSource` counts it and the latches hold.

    Attributes:
        kind: one of `KINDS`, for a metric label.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to an instant query.

    Attributes:
        samples: one per series.
        warnings: what the server said about the completeness of the answer.
    """

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()

    @property
    def usable_members(self) -> int:
        """How many members have a usable value."""
        return len({sample.member for sample in self.samples if is_usable(sample.value)})


class _Point(Struct, array_like=True, forbid_unknown_fields=True, gc=False):
    at: float
    value: str


class _Series(Struct, gc=False):
    metric: MemberLabels
    value: _Point


class _LabelledSeries(Struct):
    metric: dict[str, str]
    value: _Point


Result = TypeVar("Result")


class _Data(Struct, Generic[Result]):
    resultType: str  # noqa: N815 - Prometheus' name
    result: Result


class ApiAnswer(Struct):
    """The fields that every answer of the API has beside its data."""

    status: str
    error: str = ""
    errorType: str = ""  # noqa: N815 - Prometheus' name
    warnings: list[str] | None = None


class Response(ApiAnswer, Generic[Result]):
    """An answer to a query."""

    data: _Data[Result] | None = None


_any = msgspec.json.Decoder(Response[Raw])
_vector = msgspec.json.Decoder(Response[list[_Series]])
_labelled_vector = msgspec.json.Decoder(Response[list[_LabelledSeries]])


def parse(body: bytes, remarks: tuple[str, ...] = (), *, member_label: str | None = None) -> Answer:
    """Decode the body of a successful instant query.

    Args:
        body: of a response with status 200.
        remarks: of the response's headers on its completeness.
        member_label: the label that names the member; see `members.member_names`.

    Raises:
        PrometheusError: not a success, not JSON, or not an instant vector.
    """
    if member_label is None:
        series, warnings = parse_result(body, _vector, "vector", "an instant vector")
        # Most answers have distinct instances, and decoding all labels costs more than the rest.
        instances = {each.metric.instance for each in series}
        if UNSET not in instances and len(instances) == len(series):
            return _answer(
                [str(each.metric.instance) for each in series], series, (*warnings, *remarks)
            )
    labelled, warnings = parse_result(body, _labelled_vector, "vector", "an instant vector")
    names = member_names([each.metric for each in labelled], member_label)
    return _answer(names, labelled, (*warnings, *remarks))


def _answer(
    names: Sequence[str],
    series: Sequence[_Series] | Sequence[_LabelledSeries],
    warnings: tuple[str, ...],
) -> Answer:
    try:
        samples = tuple(map(Sample, names, [float(each.value.value) for each in series]))
    except ValueError as error:
        raise malformed(error) from error
    return Answer(samples, warnings)


def parse_result(
    body: bytes, decoder: msgspec.json.Decoder[Response[Result]], kind: str, called: str
) -> tuple[Result, tuple[str, ...]]:
    """Decode the result of a query.

    Args:
        body: of a response with status 200.
        decoder: for the wanted result type.
        kind: the name of that type.
        called: the same for the message.

    Returns:
        The result, and what the server said about its completeness.

    Raises:
        PrometheusError: not a success, not JSON, or another result type.
    """
    try:
        data, warnings = _success(decoder.decode(body), kind, called)
        return data.result, (*warnings, *incompleteness(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # The result of another type fails to decode as well; then the type is the problem.
        try:
            _success(_any.decode(body), kind, called)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as worse:
            raise malformed(worse) from worse
        raise malformed(error) from error


def _success(
    response: Response[Result], kind: str, called: str
) -> tuple[_Data[Result], tuple[str, ...]]:
    if response.status != "success" or response.data is None:
        raise PrometheusError("malformed", f"status {response.status!r}: {response.error[:200]}")
    if response.data.resultType != kind:
        raise PrometheusError(
            "wrong_type", f"the query gives a {response.data.resultType[:20]}, not {called}"
        )
    return response.data, warnings_of(response)


def warnings_of(answer: ApiAnswer) -> tuple[str, ...]:
    """Return the warnings of an answer about its completeness."""
    warnings = [w for w in answer.warnings or () if not w.startswith(_STYLE_REMARK)]
    # The API sets `error` only with status `error`; beside data it says that data is missing.
    return tuple(warnings if not answer.error else [*warnings, answer.error])


def malformed(error: Exception) -> PrometheusError:
    """Return the error of an answer that cannot be decoded."""
    return PrometheusError("malformed", f"not an answer of Prometheus' API: {error}")


def parse_error(body: bytes) -> str:
    """Return the server's message from the body of a failed query, bounded; never raises."""
    try:
        response = _any.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return f"{response.errorType}: {response.error}"[:200]
