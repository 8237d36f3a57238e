"""Which PipelineRuns may be held, and the patch that makes one wait."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.core.review import API_VERSION, KIND, decode
from shield_admitter.core.run_object import RunObject, hold_patch, read_object
from shield_common.held import HELD_LABEL, PENDING_STATUS, REASON_ANNOTATION

QUEUE = "kueue.x-k8s.io/queue-name"


def read(document: object) -> RunObject | None:
    """Return an object as far as holding depends on it; None if a field has an unexpected type."""
    return decode(review_of(document)).readable_run


def review_of(document: object, *, old: object = None) -> bytes:
    inner = {"uid": "u-1", "operation": "CREATE", "object": document, "oldObject": old}
    review = {"apiVersion": API_VERSION, "kind": KIND, "request": inner}
    return json.dumps(review).encode()


def run(*, metadata: Any = None, **members: Any) -> dict[str, Any]:
    return {"metadata": metadata or {"name": "run-7"}, **members}


def apply(patch: bytes, document: Any) -> Any:
    """Apply operations ``add`` as RFC 6902 says; the parent of a path must exist and be a map."""
    changed = json.loads(json.dumps(document))
    for operation in json.loads(patch):
        assert "add" == operation["op"]
        *parents, last = [
            step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]
        ]
        inner = changed
        for step in parents:
            inner = inner[step]
        assert isinstance(inner, dict)
        inner[last] = operation["value"]
    return changed


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(run(), id="no spec"),
        pytest.param(run(spec=None), id="spec is null"),
        pytest.param(run(spec={}), id="no status"),
        pytest.param(run(spec={"status": None}), id="status is null"),
        pytest.param(run(spec={"status": ""}), id="status is empty"),
        pytest.param(run(metadata={"generateName": "run-"}), id="a name that comes later"),
        pytest.param(run(metadata={"labels": None, "annotations": None}), id="labels are null"),
        pytest.param(run(metadata={"labels": {}, "annotations": {}}), id="labels are empty"),
        pytest.param(run(metadata={"ownerReferences": []}), id="no owner"),
        pytest.param(run(metadata={"ownerReferences": None}), id="owners are null"),
        pytest.param(
            run(metadata={"ownerReferences": [{"kind": "Repository"}]}), id="another owner"
        ),
        pytest.param(run(metadata={"labels": {HELD_LABEL: "gold"}}), id="labelled by its author"),
    ],
)
def test_a_run_that_would_start_may_be_held_and_the_patch_makes_it_wait(document: Any) -> None:
    found = read(document)
    assert found is not None
    assert found.may_be_held
    held = apply(hold_patch(found, tier="standard", reason_text="etcd is full"), document)
    assert PENDING_STATUS == held["spec"]["status"]
    assert "standard" == held["metadata"]["labels"][HELD_LABEL]
    assert "etcd is full" == held["metadata"]["annotations"][REASON_ANNOTATION]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(run(spec={"status": PENDING_STATUS}), id="pending already"),
        pytest.param(run(spec={"status": "Cancelled"}), id="cancelled"),
        pytest.param(run(spec={"status": "StoppedRunFinally"}), id="stopped"),
        pytest.param(run(spec={"status": "NoSuchWord"}), id="a status of another word"),
        pytest.param(run(metadata={"labels": {QUEUE: "ci"}}), id="in a queue of Kueue"),
        pytest.param(run(metadata={"annotations": {QUEUE: "ci"}}), id="in Kueue's by annotation"),
        pytest.param(run(metadata={"ownerReferences": [{"kind": "PipelineRun"}]}), id="a child"),
        pytest.param(
            run(metadata={"ownerReferences": [{"kind": "A"}, {"kind": "CustomRun"}]}),
            id="a child of a custom task",
        ),
        pytest.param(run(metadata={"deletionTimestamp": "2026-11-21T10:00:00Z"}), id="deleted"),
    ],
)
def test_a_run_that_must_not_wait_is_left_alone(document: Any) -> None:
    found = read(document)
    assert found is not None
    assert not found.may_be_held


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(None, id="null"),
        pytest.param([], id="a list"),
        pytest.param({}, id="no metadata"),
        pytest.param({"metadata": None}, id="metadata is null"),
        pytest.param({"metadata": []}, id="metadata is a list"),
        pytest.param(run(spec=[]), id="spec is a list"),
        pytest.param(run(spec="Pending"), id="spec is text"),
        pytest.param(run(spec={"status": 7}), id="status is a number"),
        pytest.param(run(spec={"status": {}}), id="status is a map"),
        pytest.param(run(metadata={"labels": []}), id="labels are a list"),
        pytest.param(run(metadata={"labels": {"a": 1}}), id="a label is a number"),
        pytest.param(run(metadata={"annotations": "none"}), id="annotations are text"),
        pytest.param(run(metadata={"ownerReferences": {}}), id="owners are a map"),
    ],
)
def test_an_object_of_another_form_is_unknown(document: Any) -> None:
    assert read(document) is None


def test_bytes_that_are_no_json_are_unknown() -> None:
    for text in (b'{"metadata": ', b"\xff"):
        found = read_object(msgspec.Raw(text))
        assert found is not None
        assert found.metadata is None


NAMES = st.text(max_size=20) | st.sampled_from([HELD_LABEL, REASON_ANNOTATION, QUEUE, "status"])
MAPS = st.dictionaries(NAMES, st.text(max_size=20), max_size=4)
LOOSE: st.SearchStrategy[Any] = (
    st.none() | st.text(max_size=20) | st.integers(0, 9) | st.just([]) | MAPS
)
METADATA = st.fixed_dictionaries(
    {}, optional={"labels": LOOSE, "annotations": LOOSE, "ownerReferences": LOOSE, "name": LOOSE}
)
SPECS = st.fixed_dictionaries({}, optional={"status": LOOSE, "params": LOOSE}) | LOOSE
DOCUMENTS = st.fixed_dictionaries(
    {}, optional={"metadata": METADATA | LOOSE, "spec": SPECS, "status": LOOSE}
)


@given(DOCUMENTS, st.text(max_size=40))
def test_the_patch_of_a_run_that_may_be_held_never_fails_and_changes_nothing_else(
    document: Any, reason_text: str
) -> None:
    found = read(document)
    if found is None or not found.may_be_held:
        return
    held = apply(hold_patch(found, tier="standard", reason_text=reason_text), document)
    assert PENDING_STATUS == held["spec"].pop("status")
    assert "standard" == held["metadata"]["labels"].pop(HELD_LABEL)
    assert reason_text == held["metadata"]["annotations"].pop(REASON_ANNOTATION)
    before = json.loads(json.dumps(document))
    metadata, spec = before["metadata"], before.get("spec") or {}
    spec.pop("status", None)
    for name, key in (("labels", HELD_LABEL), ("annotations", REASON_ANNOTATION)):
        kept = metadata.pop(name, None) or {}
        kept.pop(key, None)
        assert kept == held["metadata"].pop(name)
    assert (metadata, spec) == (held["metadata"], held["spec"])


def test_a_held_run_is_known_by_its_label() -> None:
    metadata = {"labels": {HELD_LABEL: "critical"}}
    found = read(run(metadata=metadata, spec={"status": PENDING_STATUS}))
    assert found is not None
    assert "critical" == found.held_label


@given(DOCUMENTS | LOOSE)
def test_an_object_reads_the_same_beside_an_old_object_of_another_form(document: Any) -> None:
    first, second = decode(review_of(document)), decode(review_of(document, old=7))
    assert (first.readable_run, first.starts_run) == (second.readable_run, second.starts_run)
    assert (first.labels(), first.display_name()) == (second.labels(), second.display_name())


def test_bytes_that_are_no_text_inside_an_object_do_not_make_the_review_malformed() -> None:
    body = review_of(run(metadata={"labels": {"a": "?"}})).replace(b"?", b"\xff")
    request = decode(body)
    assert ("u-1", None, {}) == (request.uid, request.readable_run, request.labels())
