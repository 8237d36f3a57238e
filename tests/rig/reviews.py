"""AdmissionReviews as the API server sends them, in any size, with invented content.

Shape: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
with a Tekton `PipelineRun` and its pipeline inlined, as Pipelines-as-Code creates them. The same
arguments always give the same bytes.
"""

import functools
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

# Sizes seen on real clusters, in bytes: a reference to a pipeline, a pipeline inlined, a large one.
SMALL, TYPICAL, LARGE = 1_300, 19_000, 220_000

_STEPS = ("fetch", "vet", "compile", "unit", "package", "scan", "sign", "publish")
_PARAMETERS = {
    "source": "$(tasks.fetch-1.results.tree)",
    "cache": "$(params.cache-image):$(params.revision)",
    "timeout": "20m",
}
_DESCRIPTION = "Builds the orders service from its source and keeps what is needed to prove how. "


@dataclass(frozen=True, kw_only=True)
class ReviewRequest:
    """One request to the API server: its user, operation and object.

    Attributes:
        uid: Request id, which the answer repeats.
        name: The object's name.
        namespace: Where it is created.
        user: Who asks.
        groups: The user's groups.
        labels: The object's labels.
        kind: The object's kind, of API group tekton.dev.
        operation: CREATE, UPDATE, DELETE or CONNECT.
        dry_run: Whether nothing is to be stored.
        size: Bytes of the whole review; the object's pipeline is made as long as that takes.
    """

    uid: str = "5d0c8f7e-2b1a-4c39-9f60-1e7a3b5c9d24"
    name: str = "orders-on-push-00001"
    namespace: str = "team-orders"
    user: str = "system:serviceaccount:ci:pipeline-starter"
    groups: Sequence[str] = ("system:serviceaccounts", "system:authenticated")
    labels: Mapping[str, str] = field(default_factory=lambda: {"example.com/component": "orders"})
    kind: str = "PipelineRun"
    operation: str = "CREATE"
    dry_run: bool = False
    size: int = TYPICAL


def admission_review(request: ReviewRequest) -> bytes:
    """Return an AdmissionReview as JSON of exactly `size` bytes.

    Raises:
        ValueError: The review is longer than `size` even without a pipeline.
    """
    subject = _subject(request)
    document = _document(request, subject)
    missing = request.size - len(_encoded(document))
    if missing < 0:
        raise ValueError(f"this review has at least {request.size - missing} bytes")
    _lengthen(subject["spec"]["pipelineSpec"], missing)
    return _encoded(document)


def stored_object(review: bytes) -> bytes:
    """Return what the API server stores in etcd once the review is allowed: its object."""
    return bytes(msgspec.json.decode(review, type=_Review).request.object)


class _Request(msgspec.Struct):
    object: msgspec.Raw


class _Review(msgspec.Struct):
    request: _Request


# A flood encodes some hundred reviews a second; `json` would take a core for that.
_encoded = msgspec.json.encode


def _document(request: ReviewRequest, subject: dict[str, Any]) -> dict[str, Any]:
    group = {"group": "tekton.dev", "version": "v1"}
    kind = {**group, "kind": request.kind}
    resource = {**group, "resource": f"{request.kind.lower()}s"}
    deleted = request.operation == "DELETE"
    before = _subject(request) if request.operation == "UPDATE" else None
    return {
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": request.uid,
            "kind": kind,
            "resource": resource,
            "requestKind": kind,
            "requestResource": resource,
            "name": request.name,
            "namespace": request.namespace,
            "operation": request.operation,
            "userInfo": {"username": request.user, "groups": list(request.groups)},
            "object": None if deleted else subject,
            "oldObject": subject if deleted else before,
            "dryRun": request.dry_run,
            "options": {
                "kind": f"{request.operation.capitalize()}Options",
                "apiVersion": "meta.k8s.io/v1",
            },
        },
    }


def _subject(request: ReviewRequest) -> dict[str, Any]:
    return {
        "apiVersion": "tekton.dev/v1",
        "kind": request.kind,
        "metadata": {
            "name": request.name,
            "namespace": request.namespace,
            "labels": dict(request.labels),
            "annotations": {
                "example.com/trigger": "push to main",
                "example.com/repository": "https://git.example.com/team/orders",
            },
        },
        "spec": {
            "params": [{"name": "revision", "value": "3f9c2e71"}],
            "pipelineSpec": {"description": "", "tasks": []},
            "taskRunTemplate": {"serviceAccountName": "build-orders"},
            "workspaces": [{"name": "tree", "emptyDir": {}}],
        },
        "status": {},
    }


def _lengthen(pipeline: dict[str, Any], missing: int) -> None:
    # Whole tasks as far as they fit, then a description for the bytes that are left.
    for number in itertools.count(1):
        task = _task(number)
        cost = len(task) + (1 if pipeline["tasks"] else 0)  # the comma before it
        if cost > missing:
            break
        pipeline["tasks"].append(msgspec.Raw(task))
        missing -= cost
    pipeline["description"] = (_DESCRIPTION * (missing // len(_DESCRIPTION) + 1))[:missing]


@functools.lru_cache(maxsize=1024)
def _task(number: int) -> bytes:
    step = _STEPS[(number - 1) % len(_STEPS)]
    task: dict[str, Any] = {
        "name": f"{step}-{number}",
        "params": [{"name": name, "value": value} for name, value in _PARAMETERS.items()],
        "taskRef": {
            "resolver": "bundles",
            "params": [
                {"name": "bundle", "value": f"registry.example.com/tasks/{step}:1.4"},
                {"name": "name", "value": step},
            ],
        },
        "when": [{"input": "$(params.skip)", "operator": "notin", "values": [step]}],
    }
    if number > 1:
        task["runAfter"] = [f"{_STEPS[(number - 2) % len(_STEPS)]}-{number - 1}"]
    return _encoded(task)
