"""Which objects are held runs, and which bytes are none."""

from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_common.held import HELD_LABEL, REASON_ANNOTATION
from shield_controller.core.runs import (
    HeldRun,
    NotARunError,
    decode_partial,
    decode_whole,
    held_run,
)


def document(**metadata: Any) -> bytes:
    fields: dict[str, Any] = {
        "name": "one",
        "namespace": "team-a",
        "uid": "u",
        "creationTimestamp": "2026-11-21T12:00:00Z",
        "labels": {HELD_LABEL: "standard"},
    }
    return msgspec.json.encode({"metadata": fields | metadata})


def read(**metadata: Any) -> HeldRun | None:
    return held_run(decode_partial(document(**metadata)))


def test_a_run_with_the_label_is_held_in_its_tier() -> None:
    held = read()

    assert held is not None
    assert ("standard", "team-a", "one") == (held.tier, held.namespace, held.name)
    assert not held.has_reason


def test_the_annotation_is_noticed() -> None:
    held = read(annotations={REASON_ANNOTATION: "because"})

    assert held is not None
    assert held.has_reason


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"labels": None}, id="no labels"),
        pytest.param({"labels": {"app": "x"}}, id="not marked"),
        pytest.param({"deletionTimestamp": "2026-11-21T12:00:00Z"}, id="being deleted"),
        pytest.param(
            {"labels": {HELD_LABEL: "standard", "kueue.x-k8s.io/queue-name": "q"}}, id="Kueue's"
        ),
        pytest.param(
            {"annotations": {"kueue.x-k8s.io/queue-name": "q"}}, id="Kueue's by annotation"
        ),
    ],
)
def test_other_runs_are_not_for_the_controller(metadata: dict[str, Any]) -> None:
    assert read(**metadata) is None


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b"{}", id="no metadata"),
        pytest.param(document(labels=["etcd-shield.dev/held"]), id="labels are no map"),
        pytest.param(document(labels={HELD_LABEL: 7}), id="a label is a number"),
        pytest.param(document(name=""), id="no name"),
        pytest.param(document(creationTimestamp="yesterday"), id="no time"),
        pytest.param(document(creationTimestamp="2026-11-21T12:00:00"), id="no zone"),
        pytest.param(b"[" * 100_000, id="nested deeply"),
        pytest.param(b"\xff", id="no text"),
    ],
)
def test_what_is_no_object_is_reported(bad: bytes) -> None:
    with pytest.raises(NotARunError):
        decode_partial(bad)


@pytest.mark.parametrize(
    ("spec", "status"),
    [
        pytest.param({"spec": {"status": "PipelineRunPending"}}, "PipelineRunPending", id="set"),
        pytest.param({"spec": {"status": None}}, "", id="null"),
        pytest.param({"spec": {}}, "", id="absent"),
        pytest.param({"spec": None}, "", id="spec is null"),
        pytest.param({}, "", id="no spec"),
    ],
)
def test_the_status_of_a_run_is_a_word_or_empty(spec: dict[str, Any], status: str) -> None:
    fields = msgspec.json.decode(document()) | spec

    assert status == decode_whole(msgspec.json.encode(fields)).spec_status


@pytest.mark.parametrize("spec", [7, [], {"status": 7}, "text"], ids=repr)
def test_a_spec_of_another_type_is_reported(spec: object) -> None:
    fields = msgspec.json.decode(document()) | {"spec": spec}

    with pytest.raises(NotARunError):
        decode_whole(msgspec.json.encode(fields))


def test_a_run_of_3_mib_is_read() -> None:
    fields = msgspec.json.decode(document()) | {"spec": {"params": "x" * 3 * 2**20}}

    assert "one" == decode_whole(msgspec.json.encode(fields)).metadata.name


@given(st.binary(max_size=100))
def test_no_bytes_raise_anything_else(content: bytes) -> None:
    with suppress(NotARunError):
        decode_partial(content)
    with suppress(NotARunError):
        decode_whole(content)
