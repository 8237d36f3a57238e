"""What holding has to know of a PipelineRun, and the JSON Patch that puts one on hold.

Only the few fields that holding depends on are decoded. An object in which one of them has another
form is never held: a patch could fail, and then the API server would refuse the run because of us.

Sources: RFC 6902 (JSON Patch), where ``add`` replaces a member that exists; RFC 6901 for paths;
https://tekton.dev/docs/pipelines/pipelineruns/#pending-pipelineruns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, Struct

from shield_common.held import HELD_LABEL, PENDING, REASON_ANNOTATION

if TYPE_CHECKING:
    from collections.abc import Iterator

# Kueue's own queue decides when such a run starts (https://kueue.sigs.k8s.io/docs/tasks/run/).
KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"
# The owner's controller waits for its children: held, they would stop a run that is under way.
WAITING_OWNERS: Final = frozenset({"PipelineRun", "CustomRun"})


def _pointer(key: str) -> str:
    """Return a key as a part of a JSON Pointer."""
    return key.replace("~", "~0").replace("/", "~1")


_LABEL_PATH: Final = f"/metadata/labels/{_pointer(HELD_LABEL)}"
_REASON_PATH: Final = f"/metadata/annotations/{_pointer(REASON_ANNOTATION)}"


class _Owner(Struct):
    kind: str = ""


class _Metadata(Struct):
    name: str | None = None
    generateName: str | None = None  # noqa: N815 - Kubernetes' name
    labels: dict[str, str] | None = None
    annotations: dict[str, Raw] | None = None
    ownerReferences: list[_Owner] | None = None  # noqa: N815 - Kubernetes' name
    deletionTimestamp: str | None = None  # noqa: N815 - Kubernetes' name


class _Spec(Struct):
    status: str | None = None


class RunDocument(Struct):
    """The fields of a PipelineRun that holding depends on, as Kubernetes names them."""

    metadata: _Metadata
    spec: _Spec | None = None

    @property
    def status(self) -> str:
        """``spec.status``; empty if it is missing."""
        return "" if self.spec is None else self.spec.status or ""


class RunObject(Struct, frozen=True, gc=False):
    """A PipelineRun, as far as holding depends on it.

    Attributes:
        status: ``spec.status``; empty if it is missing.
        may_wait: whether it may be held: it is to start now, no other run waits for it, it is not
            being deleted, and it is in no queue of Kueue.
        held_tier: the tier of its label of held runs; None without that label.
        has_spec: whether there is a ``spec`` to add to.
        has_labels: whether there are labels to add to.
        has_annotations: whether there are annotations to add to.
    """

    status: str
    may_wait: bool
    held_tier: str | None
    has_spec: bool
    has_labels: bool
    has_annotations: bool


class Operation(Struct, frozen=True):
    """One operation of a JSON Patch; always ``add``."""

    op: str
    path: str
    value: str | dict[str, str]


_decoder = msgspec.json.Decoder(RunDocument)
_encoder = msgspec.json.Encoder()


def read_run(document: Raw) -> RunObject | None:
    """Read an object; None if a field that holding depends on has an unknown form.

    Args:
        document: the object of a review, as JSON.
    """
    try:
        return run_of(_decoder.decode(document))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def run_of(document: RunDocument) -> RunObject:
    """Return what holding depends on."""
    metadata, status = document.metadata, document.status
    labels, annotations = metadata.labels or {}, metadata.annotations or {}
    owners = metadata.ownerReferences or ()
    return RunObject(
        status=status,
        may_wait=not status
        and KUEUE_QUEUE not in labels
        and KUEUE_QUEUE not in annotations
        and metadata.deletionTimestamp is None
        and not any(owner.kind in WAITING_OWNERS for owner in owners),
        held_tier=labels.get(HELD_LABEL),
        has_spec=document.spec is not None,
        has_labels=metadata.labels is not None,
        has_annotations=metadata.annotations is not None,
    )


def hold_patch(run: RunObject, *, tier: str, because: str) -> bytes:
    """Return the JSON Patch that makes a run wait.

    Args:
        run: the object that the patch is for.
        tier: the tier in whose queue it waits.
        because: a sentence for people.
    """
    return _encoder.encode(list(_operations(run, tier, because)))


def _operations(run: RunObject, tier: str, because: str) -> Iterator[Operation]:
    if run.has_spec:
        yield Operation("add", "/spec/status", PENDING)
    else:
        yield Operation("add", "/spec", {"status": PENDING})
    if run.has_labels:
        yield Operation("add", _LABEL_PATH, tier)
    else:
        yield Operation("add", "/metadata/labels", {HELD_LABEL: tier})
    if run.has_annotations:
        yield Operation("add", _REASON_PATH, because)
    else:
        yield Operation("add", "/metadata/annotations", {REASON_ANNOTATION: because})
