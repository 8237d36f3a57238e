"""From a verdict to an AdmissionReview response; its sentences are in ``core.sentences``.

Source of the form: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#response
and k8s.io/api/admission/v1. Every text that goes in is bounded: those of the decision by its own
form, the kind and the uid here and in `review`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
from msgspec import Struct

from shield_admitter.core.review import API_VERSION, KIND
from shield_admitter.core.run_object import hold_patch
from shield_admitter.core.sentences import held_warning_text, reason_text, warning_text
from shield_common.text import printable, truncate

if TYPE_CHECKING:
    from shield_admitter.core.hold import Mutation
    from shield_admitter.core.review import Request
    from shield_admitter.core.verdict import Verdict

MAX_WARNING: Final = 120  # characters; kubectl shows a warning on one line
MAX_KIND: Final = 63  # characters; Kubernetes allows no longer kind

MAX_REASON_TEXT: Final = 300  # characters of the annotation that says why a run is held

DENIAL_REASONS: Final = {429: "TooManyRequests", 403: "Forbidden"}


@dataclass(frozen=True, slots=True)
class DenialFormat:
    """What a denial looks like.

    Attributes:
        code: HTTP status of the API server's answer, 429 or 403.
        url: link at the end of the message; the decision's own link if None.
    """

    code: int = 429
    url: str | None = None


class StatusDetails(Struct):
    """The part of a Status that the API server turns into a Retry-After header."""

    retryAfterSeconds: int  # noqa: N815 - Kubernetes' name


class Status(Struct, omit_defaults=True):
    """A ``metav1.Status``: how and why a request is denied."""

    status: str
    code: int
    reason: str
    message: str
    details: StatusDetails | None = None


class AuditAnnotations(Struct, omit_defaults=True):
    """Notes on the verdict, which the API server adds to its audit event."""

    verdict: str
    reason: str
    tier: str = ""
    exemption: str | None = None
    why: str | None = None


# The values of `AuditAnnotations`, in their order.
_AnnotationValues: TypeAlias = tuple[str, str, str, str | None, str | None]


class AdmissionResponse(Struct, omit_defaults=True):
    """An AdmissionReview's response; names as the API server reads them.

    A patch is JSON, which is encoded as Base64; only /mutate answers with one.
    """

    uid: str
    allowed: bool
    auditAnnotations: AuditAnnotations | None = None  # noqa: N815 - Kubernetes' name
    warnings: list[str] | None = None
    status: Status | None = None
    patchType: str | None = None  # noqa: N815 - Kubernetes' name
    patch: bytes | None = None


class _Review(Struct):
    apiVersion: str  # noqa: N815 - Kubernetes' name
    kind: str
    response: AdmissionResponse


_encoder = msgspec.json.Encoder()


def admission_response(
    request: Request,
    verdict: Verdict,
    denial_format: DenialFormat,
    *,
    retry_after: int | None = None,
) -> AdmissionResponse:
    """Build the response to one request.

    Args:
        request: its uid is echoed exactly; the kind of its object is the first word of a denial.
        verdict: the verdict on it.
        denial_format: what a denial looks like.
        retry_after: seconds after which a denied client should try again; None leaves it out.
    """
    status = None
    if not verdict.allowed:
        status = _denial(request, verdict, denial_format, retry_after)
    warnings, annotations = _warnings(warning_text(verdict)), _annotations(verdict)
    return AdmissionResponse(request.uid, verdict.allowed, annotations, warnings, status)


def mutation_response(
    request: Request,
    mutation: Mutation,
    denial_format: DenialFormat,
    *,
    retry_after: int | None = None,
) -> AdmissionResponse:
    """Build the response of /mutate to one request; see `admission_response`."""
    verdict, run = mutation.verdict, mutation.run
    if verdict is None:
        return AdmissionResponse(request.uid, allowed=True)
    if run is None:
        return admission_response(request, verdict, denial_format, retry_after=retry_after)
    return AdmissionResponse(
        request.uid,
        allowed=True,
        auditAnnotations=_annotations(verdict),
        warnings=[truncate(held_warning_text(mutation, verdict), MAX_WARNING)],
        patchType="JSONPatch",
        patch=hold_patch(
            run,
            tier=mutation.queue_tier,
            reason_text=truncate(printable(reason_text(verdict)), MAX_REASON_TEXT),
        ),
    )


def encode(response: AdmissionResponse) -> bytes:
    """Return the AdmissionReview that carries a response, as JSON."""
    return _encoder.encode(_Review(API_VERSION, KIND, response))


def encode_admission(request: Request, verdict: Verdict) -> bytes:
    """Return the review that admits a request, as JSON: `encode` of its `admission_response`.

    While a decision is in force most requests get the same answer but for the uid, so the rest is
    cached (docs/adr/0182).
    """
    before, after = _around_uid(_annotation_values(verdict), warning_text(verdict))
    return before + _encoder.encode(request.uid) + after


@lru_cache(maxsize=128)
def _around_uid(values: _AnnotationValues, warning: str | None) -> tuple[bytes, bytes]:
    """Return the encoded admission before and after its uid."""
    response = AdmissionResponse(
        "",
        allowed=True,
        auditAnnotations=AuditAnnotations(*values),
        warnings=_warnings(warning),
    )
    before, _, after = encode(response).partition(b'""')
    return before, after


def _denial(
    request: Request, verdict: Verdict, denial_format: DenialFormat, retry_after: int | None
) -> Status:
    """Return how and why a request is denied.

    The first words (kind, "admission currently not allowed") are fixed: people and tools match
    on them.
    """
    code, kind = denial_format.code, request.kind.kind[:MAX_KIND]
    text = f"{kind} admission currently not allowed: {reason_text(verdict)}. Tier: {verdict.tier}."
    url = denial_format.url or (verdict.decision and verdict.decision.status_url)
    message = printable(f"{text} See {url}" if url else text)
    details = None if retry_after is None else StatusDetails(retry_after)
    return Status("Failure", code, DENIAL_REASONS[code], message, details)


def _annotations(verdict: Verdict) -> AuditAnnotations:
    return AuditAnnotations(*_annotation_values(verdict))


def _annotation_values(verdict: Verdict) -> _AnnotationValues:
    exemption, tier_decision = verdict.exemption, verdict.tier_decision
    return (
        verdict.outcome,
        verdict.reason,
        verdict.tier,
        None if exemption is None else exemption.reason,
        None if tier_decision is None else tier_decision.reason or None,
    )


def _warnings(warning: str | None) -> list[str] | None:
    return [truncate(printable(warning), MAX_WARNING)] if warning else None
