"""What the invented AdmissionReviews promise."""

import json

import pytest

from tests.rig.reviews import LARGE, SMALL, TYPICAL, ReviewRequest, admission_review, stored_object


@pytest.mark.parametrize("size", [SMALL, TYPICAL, LARGE, 1024 * 1024 + 1])
def test_a_review_has_exactly_the_size_asked_for(size: int) -> None:
    assert size == len(admission_review(ReviewRequest(size=size)))


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "CONNECT"])
def test_every_operation_keeps_the_size(operation: str) -> None:
    assert TYPICAL == len(admission_review(ReviewRequest(operation=operation)))


def test_who_and_what_is_in_the_request() -> None:
    body = admission_review(
        ReviewRequest(
            uid="u-1",
            name="run-7",
            namespace="team-a",
            user="ada",
            groups=("staff",),
            labels={"tier": "gold"},
            kind="TaskRun",
            dry_run=True,
        )
    )
    request = json.loads(body)["request"]
    assert ("u-1", "CREATE", True) == (request["uid"], request["operation"], request["dryRun"])
    assert {"username": "ada", "groups": ["staff"]} == request["userInfo"]
    assert ("TaskRun", "taskruns") == (request["kind"]["kind"], request["resource"]["resource"])
    metadata = request["object"]["metadata"]
    assert ("run-7", "team-a", {"tier": "gold"}) == (
        metadata["name"],
        metadata["namespace"],
        metadata["labels"],
    )


def test_a_deleted_object_is_the_old_one() -> None:
    request = json.loads(admission_review(ReviewRequest(operation="DELETE")))["request"]
    assert request["object"] is None
    assert "PipelineRun" == request["oldObject"]["kind"]


def test_the_same_request_gives_the_same_bytes() -> None:
    assert admission_review(ReviewRequest()) == admission_review(ReviewRequest())


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        admission_review(ReviewRequest(size=100))


def test_what_is_stored_is_the_object_alone() -> None:
    body = admission_review(ReviewRequest())
    assert json.loads(body)["request"]["object"] == json.loads(stored_object(body))
