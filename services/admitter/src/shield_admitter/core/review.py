"""AdmissionReview requests as types.

Source of the form: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
and k8s.io/api/admission/v1. Of the object only the few fields of `RunObject` are decoded.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from shield_admitter.core.run_object import RunObject, read_object
from shield_common.held import PENDING_STATUS

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


class Request(Struct, frozen=True):
    """The request that the API server asks about; names as the API server writes them."""

    uid: str
    operation: str = ""
    kind: Kind = Kind()
    subResource: str | None = None  # noqa: N815 - Kubernetes' name
    name: str | None = None
    namespace: str | None = None
    userInfo: UserInfo = UserInfo()  # noqa: N815 - Kubernetes' name
    dryRun: bool | None = None  # noqa: N815 - Kubernetes' name
    object: RunObject | None = None
    oldObject: RunObject | None = None  # noqa: N815 - Kubernetes' name

    def labels(self) -> dict[str, str]:
        """Return the object's labels; none if it has none or they are malformed."""
        return {} if self.object is None else self.object.name_and_labels.labels or {}

    @property
    def readable_run(self) -> RunObject | None:
        """The object; None if a field that holding depends on has an unexpected type."""
        return None if self.object is None or self.object.metadata is None else self.object

    @property
    def starts_run(self) -> bool:
        """Whether the run starts with this request.

        A run that is created as ``PipelineRunPending`` writes nothing until an update empties its
        ``spec.status`` (https://tekton.dev/docs/pipelines/pipelineruns/#pending-pipelineruns).
        """
        if self.operation != UPDATE:
            return self.object is None or self.object.spec_status != PENDING_STATUS
        before = self.oldObject
        is_empty = self.object is not None and not self.object.spec_status
        return is_empty and before is not None and before.spec_status == PENDING_STATUS

    def display_name(self) -> str:
        """Return the object's name, or the prefix that the API server will complete."""
        if self.name or self.object is None:
            return self.name or ""
        return self.object.name_and_labels.name or self.object.name_and_labels.generateName or ""


class _RawRequest(Request, frozen=True):
    """A request whose objects `read_object` decodes one by one."""

    object: Raw = Raw(b"null")  # type: ignore[assignment] # until it is decoded
    oldObject: Raw = Raw(b"null")  # type: ignore[assignment] # noqa: N815 - Kubernetes' name


class _Review(Struct):
    apiVersion: str = ""  # noqa: N815 - Kubernetes' name
    kind: str = ""
    request: Request | None = None


class _RawReview(_Review):
    request: _RawRequest | None = None


_review_decoder = msgspec.json.Decoder(_Review)
_raw_review_decoder = msgspec.json.Decoder(_RawReview)


def decode(body: bytes | bytearray) -> Request:
    """Decode a review. Of a repeated field the last one counts, as in the API server.

    Args:
        body: the HTTP request's body.

    Raises:
        ReviewError: not JSON, not an AdmissionReview, of an unsupported version, without a
            request, with a uid that cannot be echoed, or nested more deeply than the JSON decoder
            goes (about 1,000 levels; the API server accepts 10,000).
    """
    try:
        return _decode(body, _review_decoder)
    except ReviewError:  # perhaps only because a field of an object has an unexpected type
        request: Any = _decode(body, _raw_review_decoder)
    decoded: Request = replace(
        request, object=read_object(request.object), oldObject=read_object(request.oldObject)
    )
    return decoded


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
