"""One log line for each kind of failure until the store answers again (trial T12)."""

import pytest
from structlog.testing import capture_logs

from shield_common.store.outage import OutageLog
from shield_common.store.protocol import StoreError

pytestmark = pytest.mark.shows("trial T12")

AWAY = StoreError("connection", "refused")
DENIED = StoreError("permission", "no permission")
SLOW = StoreError("timeout", "no answer")


def events(*steps: tuple[str, StoreError | None], lost: str = "") -> list[tuple[str, str]]:
    """Return source and kind of each line that failures and answers give, in order.

    Args:
        steps: a source and its failure, or None for an answer.
        lost: a source that does not try again by itself.
    """
    outage = OutageLog()
    with capture_logs() as lines:
        for source, error in steps:
            if error is None:
                outage.answered(source)
            else:
                outage.failed(source, error, retries=source != lost)
    return [(line.get("source", "all"), line.get("kind", "answers")) for line in lines]


def test_an_outage_that_every_source_sees_is_one_line() -> None:
    seen = [("get", AWAY), ("subscription", AWAY), ("counts", AWAY), ("get", AWAY)]
    assert [("get", "connection")] == events(*seen)


def test_another_kind_of_failure_is_a_further_line() -> None:
    seen = [("get", AWAY), ("get", SLOW), ("subscription", AWAY), ("get", SLOW)]
    assert [("get", "connection"), ("get", "timeout")] == events(*seen)


def test_each_source_names_the_permission_that_it_lacks() -> None:
    seen = [("subscription", DENIED), ("counts", DENIED), ("subscription", DENIED)]
    assert [("subscription", "permission"), ("counts", "permission")] == events(*seen)


def test_the_end_is_one_line_when_the_last_source_is_answered() -> None:
    seen = [("get", AWAY), ("subscription", AWAY), ("get", None), ("subscription", None)]
    assert [("get", "connection"), ("all", "answers")] == events(*seen)


def test_answers_without_a_failure_are_not_logged() -> None:
    assert [] == events(("get", None), ("subscription", None))


def test_a_source_that_goes_on_failing_is_not_logged_at_each_answer_to_another() -> None:
    seen = [("subscription", DENIED), ("get", None), ("subscription", DENIED), ("get", None)]
    assert [("subscription", "permission")] == events(*seen)


def test_the_next_outage_is_logged_again() -> None:
    seen: list[tuple[str, StoreError | None]] = [("get", AWAY), ("get", None), ("get", AWAY)]
    assert [("get", "connection"), ("all", "answers"), ("get", "connection")] == events(*seen)


def test_an_answer_to_another_ends_the_outage_of_a_source_that_does_not_retry() -> None:
    seen: list[tuple[str, StoreError | None]] = [("counts", SLOW), ("get", None), ("get", SLOW)]
    expected = [("counts", "timeout"), ("all", "answers"), ("get", "timeout")]
    assert expected == events(*seen, lost="counts")
