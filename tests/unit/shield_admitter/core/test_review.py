"""What is read of an AdmissionReview, and which bodies are none (A1 to A4)."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shield_admitter.core.review import MAX_UID, ReviewError, decode
from tests.rig.reviews import ReviewRequest, admission_review

VALID = admission_review(ReviewRequest(uid="u-1", labels={"tier": "gold"}))


def review(request: object = None, **changes: Any) -> bytes:
    document: dict[str, Any] = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": "u-1"} if request is None else request,
    }
    return json.dumps(document | changes).encode()


def with_object(text: bytes) -> bytes:
    return review({"uid": "u-1", "object": "HERE"}).replace(b'"HERE"', text)


def nested(levels: int) -> bytes:
    return b'{"metadata":{"labels":{"tier":"gold"}},"spec":%s}' % (b"[" * levels + b"]" * levels)


def test_requester_kind_and_namespace_are_read() -> None:
    request = decode(VALID)
    assert ("u-1", "CREATE", "PipelineRun") == (request.uid, request.operation, request.kind.kind)
    assert ("team-orders", "orders-on-push-00001") == (request.namespace, request.name)
    assert "system:serviceaccount:ci:pipeline-starter" == request.userInfo.username
    assert ("system:serviceaccounts", "system:authenticated") == request.userInfo.groups


def test_labels_are_read_from_the_object() -> None:
    assert {"tier": "gold"} == decode(VALID).labels()


def test_the_object_is_read_once_however_many_rules_ask() -> None:
    request = decode(VALID)
    assert request.labels() is request.labels()


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        ({"uid": "u", "name": "given"}, "given"),
        ({"uid": "u", "object": {"metadata": {"name": "own"}}}, "own"),
        ({"uid": "u", "object": {"metadata": {"generateName": "run-"}}}, "run-"),
        ({"uid": "u", "object": None}, ""),
        ({"uid": "u", "object": 7}, ""),
        ({"uid": "u", "object": {"metadata": "odd"}}, ""),
    ],
    ids=["of the request", "of the object", "to be generated", "null", "number", "odd metadata"],
)
def test_a_request_has_a_name_to_show(request_: object, name: str) -> None:
    assert name == decode(review(request_)).display_name()


@pytest.mark.parametrize(
    "labels", [None, "text", ["a"], {"a": 1}], ids=["null", "text", "list", "number inside"]
)
def test_labels_that_are_none_match_nothing(labels: object) -> None:
    body = review({"uid": "u", "object": {"metadata": {"labels": labels}}})
    assert {} == decode(body).labels()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        review(request={}),
        review(request={"uid": ""}),
        review(request={"uid": 7}),
        review(request={"uid": None}),
        review(request=[]),
        review().replace(b'"request"', b'"reqest"'),
        review()[:-1],
        review() + b"x",
    ],
    ids=[
        "empty",
        "null",
        "list",
        "empty object",
        "text",
        "no uid",
        "empty uid",
        "number as uid",
        "null as uid",
        "list as request",
        "no request",
        "cut short",
        "more behind",
    ],
)
def test_a1_what_is_no_review_is_refused(body: bytes) -> None:
    with pytest.raises(ReviewError):
        decode(body)


@pytest.mark.shows("trial S1")
def test_a_uid_of_more_characters_than_are_echoed_is_refused() -> None:
    assert "u" * MAX_UID == decode(review({"uid": "u" * MAX_UID})).uid
    with pytest.raises(ReviewError, match=f"longer than {MAX_UID} characters"):
        decode(review({"uid": "u" * (MAX_UID + 1)}))


@pytest.mark.parametrize(
    "changes",
    [{"apiVersion": "admission.k8s.io/v1beta1"}, {"kind": "ConversionReview"}],
    ids=["v1beta1", "another kind"],
)
def test_a2_what_is_not_served_is_answered_with_what_is(changes: dict[str, str]) -> None:
    with pytest.raises(ReviewError, match=r"only admission\.k8s\.io/v1 AdmissionReview"):
        decode(review(**changes))


@pytest.mark.parametrize(
    "uid",
    [b'"\xff"', b'"\\ud800"', b"9" * 5000, b"NaN", b"[" * 200_000],
    ids=["bad UTF-8", "lone surrogate", "5,000 digits", "NaN", "200,000 brackets"],
)
def test_a3_an_unreadable_uid_is_refused(uid: bytes) -> None:
    with pytest.raises(ReviewError):
        decode(review().replace(b'"u-1"', uid))


@pytest.mark.parametrize(
    "text",
    [b'{"metadata":{"name":"\xff"}}', b"9" * 5000],
    ids=["bad UTF-8", "5,000 digits"],
)
def test_a3_an_odd_object_is_judged_without_its_labels(text: bytes) -> None:
    request = decode(with_object(text))
    assert ("u-1", {}, "") == (request.uid, request.labels(), request.display_name())


def test_a3_a_lone_surrogate_in_an_object_is_refused() -> None:
    with pytest.raises(ReviewError):
        decode(with_object(b'{"metadata":{"name":"\\ud800"}}'))


def test_a3_of_two_uids_the_last_counts() -> None:
    assert "u-2" == decode(review().replace(b'"u-1"', b'"u-1","uid":"u-2"')).uid


@pytest.mark.parametrize("levels", [10, 100, 900])
def test_a3_an_object_is_read_as_deep_as_any_real_one_goes(levels: int) -> None:
    request = decode(with_object(nested(levels)))
    assert {"tier": "gold"} == request.labels()


@pytest.mark.parametrize("levels", [5_000, 9_998])
def test_a3_an_object_that_is_nested_too_deeply_is_refused_with_a_sentence(levels: int) -> None:
    with pytest.raises(ReviewError, match="nested too deeply"):
        decode(with_object(nested(levels)))


@pytest.mark.parametrize(
    "text",
    [nested(200_000), b"[" * 200_000, b"[" * 5_000, b"]" * 5_000, b'{"a":"' + b"[" * 5_000],
    ids=["too deep", "never closed", "closed nowhere", "only closed", "inside a text"],
)
def test_a3_brackets_without_end_are_refused(text: bytes) -> None:
    with pytest.raises(ReviewError):
        decode(with_object(text))


def test_a_long_problem_is_truncated() -> None:
    with pytest.raises(ReviewError) as caught:
        decode(review(kind="k" * 100_000, apiVersion="v" * 100_000))
    assert 400 > len(str(caught.value))


@given(st.binary(max_size=200))
def test_a4_random_bytes_are_read_or_refused(body: bytes) -> None:
    with pytest.raises(ReviewError):
        decode(body)


@given(st.data())
def test_a4_a_mutated_review_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(admission_review(ReviewRequest(size=1_300)))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position] = data.draw(st.integers(0, 255))
    try:
        request = decode(body)
        request.labels()
        request.display_name()
    except ReviewError:
        pass


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(uid=st.text(min_size=1), extra=JSON_VALUES, subject=JSON_VALUES)
def test_a4_a_uid_is_read_exactly_whatever_stands_beside_it(
    uid: str, extra: object, subject: object
) -> None:
    body = review({"uid": uid, "options": extra, "object": subject}, more=extra)
    assert uid == decode(body).uid
