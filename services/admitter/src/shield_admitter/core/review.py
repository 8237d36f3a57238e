"""AdmissionReview requests as types.

Source of the form: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#request
and k8s.io/api/admission/v1. The object is kept as the bytes that came: only its labels and
its name are ever read, and only when a rule or a log line wants them.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final, TypeVar

import msgspec
from msgspec import Raw, Struct

from shield_admitter.core.nesting import NestingError, cut

API_VERSION: Final = "admission.k8s.io/v1"
KIND: Final = "AdmissionReview"

T = TypeVar("T")

# How deep lies what is read: review, request, object, metadata, labels.
_REVIEW_LEVELS: Final = 5
_OBJECT_LEVELS: Final = 3


class ReviewError(Exception):
    """The body is not a review that is served; the webhook answers 400 with this sentence."""


class Kind(Struct, frozen=True):
    """Group, version and kind of the object."""

    group: str = ""
    version: str = ""
    kind: str = ""


class UserInfo(Struct, frozen=True):
    """Who sent the request to the API server."""

    username: str = ""
    groups: tuple[str, ...] | None = None


# `dict` is what `cached_property` needs.
class Request(Struct, frozen=True, dict=True):
    """What the API server asks about; names as the API server writes them."""

    uid: str
    operation: str = ""
    kind: Kind = Kind()
    subResource: str | None = None  # noqa: N815 - Kubernetes' name
    name: str | None = None
    namespace: str | None = None
    userInfo: UserInfo = UserInfo()  # noqa: N815 - Kubernetes' name
    dryRun: bool | None = None  # noqa: N815 - Kubernetes' name
    object: Raw = Raw(b"null")

    def labels(self) -> dict[str, str]:
        """Return the object's labels; none if it has none that are well formed."""
        return self._metadata.labels or {}

    def display_name(self) -> str:
        """Return the object's name, or the prefix that the API server will complete."""
        if self.name:
            return self.name
        return self._metadata.name or self._metadata.generateName or ""

    @cached_property
    def _metadata(self) -> _Metadata:
        # Read when a rule first asks, then kept: any number of rules may.
        try:
            return _read(_object_decoder, self.object, _OBJECT_LEVELS).metadata or _Metadata()
        except (msgspec.DecodeError, UnicodeDecodeError, NestingError):
            return _Metadata()


class _Review(Struct):
    apiVersion: str = ""  # noqa: N815 - Kubernetes' name
    kind: str = ""
    request: Request | None = None


class _Metadata(Struct):
    labels: dict[str, str] | None = None
    name: str | None = None
    generateName: str | None = None  # noqa: N815 - Kubernetes' name


class _Object(Struct):
    metadata: _Metadata | None = None


_decoder = msgspec.json.Decoder(_Review)
_object_decoder = msgspec.json.Decoder(_Object)


def decode(body: bytes | bytearray) -> Request:
    """Read a review; of a field that stands twice the last counts, as for the API server.

    Args:
        body: the request's body.

    Raises:
        ReviewError: not JSON, not an AdmissionReview, of a version that is not served, or
            without a request.
    """
    try:
        review = _read(_decoder, body, _REVIEW_LEVELS)
    except (msgspec.DecodeError, UnicodeDecodeError, NestingError) as error:
        raise ReviewError(f"not an AdmissionReview: {str(error)[:200]}") from error
    if review.kind != KIND or review.apiVersion != API_VERSION:
        raise ReviewError(
            f"apiVersion {review.apiVersion[:80]!r}, kind {review.kind[:80]!r} is not served,"
            f" only {API_VERSION} {KIND}"
        )
    if review.request is None:
        raise ReviewError("the AdmissionReview has no request")
    if not review.request.uid:
        raise ReviewError("the request has no uid")
    return review.request


def _read(decoder: msgspec.json.Decoder[T], text: bytes | bytearray | Raw, levels: int) -> T:
    try:
        return decoder.decode(text)
    except RecursionError:
        # How deep msgspec goes depends on the interpreter: 1,000 levels on Python 3.11.
        return decoder.decode(cut(bytes(text), keep=levels))
