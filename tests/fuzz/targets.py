"""What must hold for any bytes. A target raises, whatever it raises, where it does not."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from jsonschema import Draft202012Validator

from shield_admitter.core.review import MAX_UID, Request, ReviewError, decode
from shield_common.decision import (
    MAX_DOCUMENT_BYTES,
    DocumentError,
    decode_decision,
    encode_decision,
)
from shield_common.held import decode_held_report, encode_held_report
from shield_controller.core.release import release_patch
from shield_controller.core.runs import NotARunError, decode_partial, held_run
from tests.fuzz.counts import admitted_counts
from tests.fuzz.decisions import decision_objects, room
from tests.fuzz.mutations import mutation
from tests.fuzz.prometheus import prometheus_answer

Target = Callable[[bytes], None]

TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
# What of k8s.io/api/admission/v1 is read; everything else may be anything.
REVIEW_SCHEMA = {
    "type": "object",
    "required": ["apiVersion", "kind", "request"],
    "properties": {
        "apiVersion": {"const": "admission.k8s.io/v1"},
        "kind": {"const": "AdmissionReview"},
        "request": {
            "type": "object",
            "required": ["uid"],
            "properties": {
                "uid": {"type": "string", "minLength": 1, "maxLength": MAX_UID},
                "operation": TEXT,
                "kind": {
                    "type": "object",
                    "properties": {"group": TEXT, "version": TEXT, "kind": TEXT},
                },
                "subResource": MAYBE_TEXT,
                "name": MAYBE_TEXT,
                "namespace": MAYBE_TEXT,
                "userInfo": {
                    "type": "object",
                    "properties": {
                        "username": TEXT,
                        "groups": {"type": ["array", "null"], "items": TEXT},
                    },
                },
                "dryRun": {"type": ["boolean", "null"]},
            },
        },
    },
}
_review_schema = Draft202012Validator(REVIEW_SCHEMA)


def review(data: bytes) -> None:
    """A review is read as any JSON reader reads it, if it is one; otherwise it is refused."""
    document = _json(data)
    try:
        request = decode(data)
    except ReviewError:
        assert document is None or not _review_schema.is_valid(document)
        return
    assert request.uid
    if document is not None:
        assert _review_schema.is_valid(document)
        assert _expected(document["request"]) == _found(request)


def decision(data: bytes) -> None:
    """A decision that is taken survives writing and reading; any other is refused in one way."""
    try:
        taken = decode_decision(data)
    except DocumentError as error:
        assert error.problem in {"malformed", "schema", "size"}  # noqa: PT017 - pytest is not there
        return
    written = encode_decision(taken)
    if len(written) <= MAX_DOCUMENT_BYTES:
        assert taken == decode_decision(written)


def held_report(data: bytes) -> None:
    """A report that is taken survives writing and reading; any other is refused in one way."""
    try:
        taken = decode_held_report(data)
    except DocumentError as error:
        assert error.problem in {"malformed", "schema", "size"}  # noqa: PT017 - pytest is not there
        return
    assert taken == decode_held_report(encode_held_report(taken))


def run(data: bytes) -> None:
    """An object is a held run, another run, or refused in one way."""
    try:
        metadata = decode_partial(data)
    except NotARunError:
        return
    held = held_run(metadata)
    if held is not None:
        assert held.uid
        assert release_patch(held)[0] == {
            "op": "test", "path": "/metadata/uid", "value": held.uid
        }  # fmt: skip


TARGETS: Mapping[str, Target] = {
    "reviews": review,
    "mutations": mutation,
    "decisions": decision,
    "room": room,
    "decision-objects": decision_objects,
    "admitted-counts": admitted_counts,
    "held-reports": held_report,
    "runs": run,
    "prometheus-answers": prometheus_answer,
}


def _json(data: bytes) -> Any:
    """Return what Python's own reader makes of it; None if it is not strictly JSON."""
    try:
        document = json.loads(data.decode(), parse_constant=_refuse)
        json.dumps(document, ensure_ascii=False).encode()  # no lone surrogates
    except (ValueError, RecursionError):
        return None
    return document


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _expected(request: dict[str, Any]) -> tuple[object, ...]:
    subject = request.get("object")
    metadata = subject.get("metadata") if isinstance(subject, dict) else None
    if not isinstance(metadata, dict) or not _is_metadata(metadata):
        metadata = {}
    user = request.get("userInfo", {})
    groups = user.get("groups")
    return (
        request["uid"],
        request.get("operation", ""),
        request.get("kind", {}).get("kind", ""),
        request.get("subResource"),
        request.get("namespace"),
        user.get("username", ""),
        None if groups is None else tuple(groups),
        request.get("name") or metadata.get("name") or metadata.get("generateName") or "",
        metadata.get("labels") or {},
    )


def _found(request: Request) -> tuple[object, ...]:
    return (
        request.uid,
        request.operation,
        request.kind.kind,
        request.subResource,
        request.namespace,
        request.userInfo.username,
        request.userInfo.groups,
        request.display_name(),
        request.labels(),
    )


def _is_metadata(metadata: dict[str, Any]) -> bool:
    names = [metadata.get("name"), metadata.get("generateName")]
    labels = metadata.get("labels")
    values = [] if labels is None else labels.values() if isinstance(labels, dict) else [0]
    return all(name is None or isinstance(name, str) for name in names) and all(
        isinstance(value, str) for value in values
    )
