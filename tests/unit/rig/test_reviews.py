"""What the invented AdmissionReviews promise."""

import json

import pytest

from tests.rig.reviews import LARGE, SMALL, TYPICAL, ReviewRequest, admission_review, stored_object


@pytest.mark.parametrize("size", [SMALL, TYPICAL, LARGE, 1024 * 1024 + 1])
def test_a_review_has_exactly_the_requested_size(size: int) -> None:
    assert size == len(admission_review(ReviewRequest(size=size)))


@pytest.mark.parametrize("operation", ["CREATE", "UPDATE", "DELETE", "CONNECT"])
def test_a_review_of_any_operation_has_the_requested_size(operation: str) -> None:
    assert TYPICAL == len(admission_review(ReviewRequest(operation=operation)))


def test_a_review_contains_user_operation_and_object() -> None:
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


def test_a_review_of_a_deletion_has_only_an_old_object() -> None:
    request = json.loads(admission_review(ReviewRequest(operation="DELETE")))["request"]
    assert request["object"] is None
    assert "PipelineRun" == request["oldObject"]["kind"]


def test_equal_review_requests_give_equal_bytes() -> None:
    assert admission_review(ReviewRequest()) == admission_review(ReviewRequest())


def test_a_review_smaller_than_its_fields_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        admission_review(ReviewRequest(size=100))


def test_the_stored_object_is_the_object_of_the_review() -> None:
    body = admission_review(ReviewRequest())
    assert json.loads(body)["request"]["object"] == json.loads(stored_object(body))
