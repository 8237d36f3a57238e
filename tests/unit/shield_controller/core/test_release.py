"""Patches, the meaning of answers, and when a stuck run is tried again."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.held import HELD_LABEL, PENDING_STATUS, REASON_ANNOTATION
from shield_controller.core.release import (
    FIRST_RETRY_MS,
    LAST_RETRY_MS,
    Patch,
    ReleaseOutcome,
    Retries,
    RunState,
    cancel_patch,
    forget_patch,
    outcome_of,
    release_patch,
    resolve,
)
from shield_controller.core.runs import WholeRun, decode_whole, held_run
from tests.unit.shield_controller.builders import NOON, run


class UnprocessableError(Exception):
    """What the API server answers with 422."""


def apply(patch: Patch, document: dict[str, Any]) -> dict[str, Any]:
    """Apply `test`, `remove` and `replace` as RFC 6902 defines them, as a whole or not at all."""
    result = copy.deepcopy(document)
    for operation in patch:
        *path, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        target: Any = result
        for part in path:
            if part not in target:
                raise UnprocessableError(operation)
            target = target[part]
        if last not in target:
            raise UnprocessableError(operation)
        match operation["op"]:
            case "test" if target[last] != operation["value"]:
                raise UnprocessableError(operation)
            case "remove":
                del target[last]
            case "replace":
                target[last] = operation["value"]
    return result


def stored(**changes: Any) -> dict[str, Any]:
    """Return a held run as the API server stores it."""
    return {
        "metadata": {
            "uid": "uid-one",
            "resourceVersion": "7",
            "labels": {HELD_LABEL: "standard", "app": "orders"},
            "annotations": {REASON_ANNOTATION: "etcd has no room", "note": "stays"},
        },
        "spec": {"pipelineRef": {"name": "build"}, "status": PENDING_STATUS},
    } | changes


def test_a_release_starts_the_run_and_removes_our_marks_alone() -> None:
    released = apply(release_patch(run()), stored())

    assert {"pipelineRef": {"name": "build"}} == released["spec"]
    assert {"app": "orders"} == released["metadata"]["labels"]
    assert {"note": "stays"} == released["metadata"]["annotations"]


def test_a_release_that_was_applied_cannot_be_applied_again() -> None:
    released = apply(release_patch(run()), stored())

    with pytest.raises(UnprocessableError):
        apply(release_patch(run()), released)


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(stored(spec={"status": "Cancelled"}), id="cancelled"),
        pytest.param(stored(spec={}), id="no status"),
        pytest.param({"metadata": stored()["metadata"]}, id="no spec"),
        pytest.param(stored(metadata=stored()["metadata"] | {"uid": "x"}), id="another run"),
        pytest.param(stored(metadata=stored()["metadata"] | {"labels": {}}), id="no label"),
    ],
)
@pytest.mark.parametrize("patch_of", [release_patch, cancel_patch])
def test_a_run_that_its_owner_changed_is_not_touched(
    patch_of: Any, document: dict[str, Any]
) -> None:
    with pytest.raises(UnprocessableError):
        apply(patch_of(run()), document)


def test_a_patch_does_not_ask_for_an_annotation_that_is_not_there() -> None:
    document = stored()
    del document["metadata"]["annotations"]

    released = apply(release_patch(run(has_reason=False)), document)

    assert "status" not in released["spec"]


def test_a_cancelled_run_is_cancelled_in_tekton_s_word() -> None:
    assert "Cancelled" == apply(cancel_patch(run()), stored())["spec"]["status"]


def test_marks_are_removed_only_from_the_state_that_was_read() -> None:
    cancelled = stored(spec={"status": "Cancelled"})
    assert {"app": "orders"} == (
        apply(forget_patch(run(resource_version="7")), cancelled)["metadata"]["labels"]
    )

    with pytest.raises(UnprocessableError):
        apply(forget_patch(run(resource_version="6")), cancelled)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, ReleaseOutcome.GONE),
        (400, ReleaseOutcome.STUCK),
        (403, ReleaseOutcome.STUCK),
        (409, ReleaseOutcome.CONFLICT),
        (422, None),
        (429, ReleaseOutcome.FAILED),
        (500, ReleaseOutcome.FAILED),
        (0, ReleaseOutcome.FAILED),
    ],
)
def test_an_answer_has_one_meaning(status: int, outcome: ReleaseOutcome | None) -> None:
    assert outcome == outcome_of(status)


def whole(status: str | None = PENDING_STATUS, **metadata: Any) -> WholeRun:
    fields: dict[str, Any] = {
        "name": "one",
        "namespace": "team-a",
        "uid": "uid-one",
        "creationTimestamp": NOON,
        "labels": {HELD_LABEL: "standard"},
        "annotations": {REASON_ANNOTATION: "because"},
    }
    document = {"metadata": fields | metadata}
    if status is not None:
        document["spec"] = {"status": status}
    return decode_whole(msgspec.json.encode(document))


@pytest.mark.parametrize(
    ("present", "answer"),
    [
        pytest.param(whole(uid="another"), RunState.GONE, id="another run of the name"),
        pytest.param(whole("Cancelled"), RunState.NOT_HELD, id="cancelled"),
        pytest.param(whole(None), RunState.NOT_HELD, id="no spec"),
        pytest.param(whole(""), RunState.NOT_HELD, id="started"),
        pytest.param(whole(labels=None), RunState.NOT_HELD, id="label taken off"),
        pytest.param(whole(annotations=None), RunState.TRY_AGAIN, id="annotation taken off"),
        pytest.param(whole(), RunState.STUCK, id="refused by a webhook with 422"),
    ],
)
def test_an_unclear_answer_is_resolved_by_reading_the_run(
    present: WholeRun, answer: RunState
) -> None:
    assert answer == resolve(run(), present, held_run(present.metadata))


def test_a_stuck_run_is_tried_again_ever_more_rarely() -> None:
    retries, now_ms, delays = Retries(), 0, []
    for _ in range(8):
        retries.add("a", now_ms=now_ms)
        began = now_ms
        while not retries.is_due("a", now_ms=now_ms):
            now_ms += 1_000
        delays.append(now_ms - began)

    assert [30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000] == delays


def test_only_the_first_refusal_is_news() -> None:
    retries = Retries()

    assert retries.add("a", now_ms=0)
    assert not retries.add("a", now_ms=FIRST_RETRY_MS)


@given(st.lists(st.sampled_from("abc")), st.sets(st.sampled_from("abc")))
def test_runs_that_left_the_queue_are_forgotten(added: list[str], present: set[str]) -> None:
    retries = Retries()
    for uid in added:
        retries.add(uid, now_ms=0)

    retries.keep(present)

    assert set(added) & present == {uid for uid in added if uid in retries}
    assert all(retries.is_due(uid, now_ms=LAST_RETRY_MS * 2) for uid in "abc")
