"""Held runs, as their metadata shows them.

Belongs here: which objects are held runs at all. Lists and watches send metadata only, because a
run may have 3 MiB. Of a run that is read in full, `spec.status` is all that is used of its spec.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta, Struct, field

from shield_common.held import HELD_LABEL, KUEUE_QUEUE, REASON_ANNOTATION


class Metadata(Struct, frozen=True):
    """The part of an object's metadata that the controller reads.

    Attributes:
        generation: the API server counts it up with every change of `spec`, and starts at 1.
    """

    name: Annotated[str, Meta(min_length=1)]
    namespace: Annotated[str, Meta(min_length=1)]
    uid: Annotated[str, Meta(min_length=1)]
    creationTimestamp: Annotated[datetime, Meta(tz=True)]  # noqa: N815 - Kubernetes' name
    resourceVersion: str = ""  # noqa: N815 - Kubernetes' name
    generation: int = 1
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    deletionTimestamp: str | None = None  # noqa: N815 - Kubernetes' name


class PartialObject(Struct, frozen=True):
    """A PartialObjectMetadata."""

    metadata: Metadata


class HeldRun(Struct, frozen=True, kw_only=True):
    """One held run.

    Attributes:
        uid: identity; a new run of the same name has another.
        tier: the tier in which it was held.
        created: when it was created, by the API server's clock.
        generation: as in `Metadata`. Above 1 the spec was changed after creation, so that the run
            may no longer be pending.
        resource_version: of this state, for events.
        has_reason: whether the annotation with the reason is there.
    """

    uid: str
    namespace: str
    name: str
    tier: str
    created: datetime
    generation: int = 1
    resource_version: str = ""
    has_reason: bool = True

    @property
    def age_order(self) -> tuple[datetime, str, str]:
        """The key by which the older run comes first."""
        return (self.created, self.namespace, self.name)


class _Spec(Struct, frozen=True):
    status: str | None = None


class WholeRun(Struct, frozen=True):
    """A whole PipelineRun, of which only the metadata and `spec.status` are read."""

    metadata: Metadata
    spec: _Spec | None = field(default=None)

    @property
    def spec_status(self) -> str:
        """`spec.status`; empty where there is none."""
        return "" if self.spec is None else self.spec.status or ""


_partial = msgspec.json.Decoder(PartialObject)
_whole = msgspec.json.Decoder(WholeRun)


class NotARunError(Exception):
    """Bytes that are not an object with metadata; counted, and the object is left alone."""


def decode_partial(document: bytes | msgspec.Raw) -> Metadata:
    """Read a PartialObjectMetadata.

    Raises:
        NotARunError: it is none.
    """
    try:
        return _partial.decode(document).metadata
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotARunError(f"not an object's metadata: {error}") from error


def decode_whole(document: bytes) -> WholeRun:
    """Read a whole run.

    Raises:
        NotARunError: it has no metadata, or its `spec` or `spec.status` has another type.
    """
    try:
        return _whole.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotARunError(f"not a PipelineRun: {error}") from error


def held_run(metadata: Metadata) -> HeldRun | None:
    """Return the held run that metadata describes; None if it is not for the controller.

    Not for the controller are runs without the label, runs that are being deleted (finalizers may
    keep them for long), and runs that Kueue manages.
    """
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    tier = labels.get(HELD_LABEL)
    if tier is None or metadata.deletionTimestamp is not None:
        return None
    if KUEUE_QUEUE in labels or KUEUE_QUEUE in annotations:
        return None
    return HeldRun(
        uid=metadata.uid,
        namespace=metadata.namespace,
        name=metadata.name,
        tier=tier,
        created=metadata.creationTimestamp,
        generation=metadata.generation,
        resource_version=metadata.resourceVersion,
        has_reason=REASON_ANNOTATION in annotations,
    )
