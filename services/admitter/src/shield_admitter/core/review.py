"""AdmissionReview requests as types.

Source of the form: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
and k8s.io/api/admission/v1. The object stays the bytes that arrived,
because decoding it costs more than all the rest. Only where holding is on, the few fields of
`RunDocument` are decoded with the review.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from shield_admitter.core.run_object import RunDocument, RunObject, read_run, run_of
from shield_common.held import PENDING

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

CREATE: Final = "CREATE"
UPDATE: Final = "UPDATE"

MAX_UID: Final = 128  # characters; the API server sends a UUID of 36. The uid is echoed.


class ReviewError(Exception):
    """The body is not a supported review; the webhook answers 400 with this sentence."""


class Kind(Struct, frozen=True):
    """Group, version and kind of the object."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(Struct, frozen=True):
    """The user who sent the request to the API server."""

    username: str = ""
    groups: tuple[str, ...] | None = None


# `dict` is what `cached_property` needs.
class Request(Struct, frozen=True, dict=True):
    """The request that the API server asks about; names as the API server writes them."""

    uid: str
    operation: str = ""
    kind: Kind = Kind()
    subResource: str | None = None  # noqa: N815 - Kubernetes' name
    name: str | None = None
    namespace: str | None = None
    userInfo: UserInfo = UserInfo()  # noqa: N815 - Kubernetes' name
    dryRun: bool | None = None  # noqa: N815 - Kubernetes' name
    object: Raw = Raw(b"null")
    oldObject: Raw = Raw(b"null")  # noqa: N815 - Kubernetes' name

    def labels(self) -> dict[str, str]:
        """Return the object's labels; none if it has none or they are malformed."""
        return self._metadata.labels or {}

    @cached_property
    def run(self) -> RunObject | None:
        """The object as far as holding depends on it; None if it has another form."""
        return read_run(self.object)

    @cached_property
    def starts_run(self) -> bool:
        """Whether the run starts with this request.

        A run that is created as ``PipelineRunPending`` writes nothing until an update empties its
        ``spec.status`` (https://tekton.dev/docs/pipelines/pipelineruns/#pending-pipelineruns).
        """
        if self.operation == UPDATE:
            return _spec_status(self.oldObject) == PENDING and _is_empty_status(self.object)
        return _spec_status(self.object) != PENDING

    def display_name(self) -> str:
        """Return the object's name, or the prefix that the API server will complete."""
        if self.name:
            return self.name
        return self._metadata.name or self._metadata.generateName or ""

    @cached_property
    def _metadata(self) -> _Metadata:
        try:
            return _object_decoder.decode(self.object).metadata or _Metadata()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _Metadata()


class RunRequest(Request, frozen=True, dict=True):
    """A request about a PipelineRun whose object is decoded with the review, for holding.

    Holding needs several fields of every object; decoding it afterwards would take as long as the
    review took.
    """

    object: RunDocument | None = None  # type: ignore[assignment] # as described above

    def labels(self) -> dict[str, str]:
        """See `Request`."""
        return {} if self.object is None else self.object.metadata.labels or {}

    @cached_property
    def run(self) -> RunObject | None:
        """See `Request`."""
        return None if self.object is None else run_of(self.object)

    @cached_property
    def starts_run(self) -> bool:
        """See `Request`."""
        status = "" if self.object is None else self.object.status
        if self.operation == UPDATE:
            is_empty = self.object is not None and not status
            return is_empty and _spec_status(self.oldObject) == PENDING
        return status != PENDING

    def display_name(self) -> str:
        """See `Request`."""
        metadata = None if self.object is None else self.object.metadata
        found = metadata and (metadata.name or metadata.generateName)
        return self.name or found or ""


class _Review(Struct):
    apiVersion: str = ""  # noqa: N815 - Kubernetes' name
    kind: str = ""
    request: Request | None = None


class _RunReview(_Review):
    request: RunRequest | None = None


class _Metadata(Struct):
    labels: dict[str, str] | None = None
    name: str | None = None
    generateName: str | None = None  # noqa: N815 - Kubernetes' name


class _Object(Struct):
    metadata: _Metadata | None = None


class _Spec(Struct):
    status: str | None = None


class _Run(Struct):
    spec: _Spec | None = None


_review_decoder = msgspec.json.Decoder(_Review)
_run_review_decoder = msgspec.json.Decoder(_RunReview)
_object_decoder = msgspec.json.Decoder(_Object)
_run_decoder = msgspec.json.Decoder(_Run)


def decode(body: bytes | bytearray) -> Request:
    """Decode a review. Of a repeated field the last one counts, as in the API server.

    Args:
        body: the HTTP request's body.

    Raises:
        ReviewError: not JSON, not an AdmissionReview, of an unsupported version, without a
            request, with a uid that cannot be echoed, or nested more deeply than the JSON decoder
            goes (about 1,000 levels; the API server accepts 10,000).
    """
    return _decode(body, _review_decoder)


def decode_run(body: bytes | bytearray) -> Request:
    """Decode a review with its object; see `decode`.

    An object of another form than a PipelineRun's does not make the review malformed: `decode`,
    which skips the object, has the last word.
    """
    try:
        return _decode(body, _run_review_decoder)
    except ReviewError:
        return decode(body)


def _decode(body: bytes | bytearray, decoder: msgspec.json.Decoder[Any]) -> Request:
    try:
        review = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ReviewError(f"not an AdmissionReview: {str(error)[:200]}") from error
    except RecursionError as error:
        raise ReviewError("the AdmissionReview is nested too deeply to be decoded") from error
    if review.kind != KIND or review.apiVersion != API_VERSION:
        raise ReviewError(
            f"apiVersion {review.apiVersion[:80]!r}, kind {review.kind[:80]!r} is not supported,"
            f" only {API_VERSION} {KIND}"
        )
    request: Request | None = review.request
    if request is None:
        raise ReviewError("the AdmissionReview has no request")
    if not request.uid:
        raise ReviewError("the request has no uid")
    if len(request.uid) > MAX_UID:
        raise ReviewError(f"the request's uid is longer than {MAX_UID} characters")
    return request


def _spec_status(run: Raw) -> str:
    # Decoding spec costs more than all the rest of a review; few runs mention the word at all.
    if PENDING.encode() not in bytes(run):
        return ""
    try:
        spec = _run_decoder.decode(run).spec
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    return "" if spec is None else spec.status or ""


def _is_empty_status(run: Raw) -> bool:
    """Return whether ``spec.status`` is empty: neither pending nor cancelled."""
    try:
        spec = _run_decoder.decode(run).spec
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return spec is None or not spec.status
