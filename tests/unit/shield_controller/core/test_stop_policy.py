"""When ClusterQueues are stopped and started, and that an operator's word wins."""

from typing import Any

import msgspec
import pytest

from shield_controller.core.stop_policy import (
    MARK,
    Action,
    ClusterQueue,
    action_for,
    patch_for,
    start_patch,
)


def queue(policy: str | None, *, marked: bool = False) -> ClusterQueue:
    annotations = {MARK: "true"} if marked else None
    metadata = {"name": "q", "resourceVersion": "7", "annotations": annotations}
    spec = {} if policy is None else {"stopPolicy": policy}
    return msgspec.convert({"metadata": metadata, "spec": spec}, ClusterQueue)


@pytest.mark.parametrize(
    ("present", "closed", "action"),
    [
        (queue("None"), True, Action.STOP),
        (queue(None), True, Action.STOP),
        (queue("None"), False, Action.LEAVE),
        (queue("Hold", marked=True), True, Action.LEAVE),
        (queue("Hold", marked=True), False, Action.START),
        (queue("Hold"), True, Action.LEAVE),
        (queue("Hold"), False, Action.LEAVE),
        (queue("HoldAndDrain"), True, Action.LEAVE),
        (queue("HoldAndDrain"), False, Action.LEAVE),
        (queue("HoldAndDrain", marked=True), True, Action.UNMARK),
        (queue("HoldAndDrain", marked=True), False, Action.UNMARK),
        (queue("None", marked=True), True, Action.LEAVE),
        (queue("None", marked=True), False, Action.UNMARK),
    ],
    ids=lambda value: (
        f"{value.spec.stopPolicy or 'unset'}{' by us' if value.marked else ''}"
        if isinstance(value, ClusterQueue)
        else str(value)
    ),
)
def test_what_the_controller_did_it_undoes_and_nothing_else(
    present: ClusterQueue, closed: bool, action: Action
) -> None:
    assert action is action_for(present, closed=closed)


def applied(present: ClusterQueue, patch: dict[str, Any]) -> ClusterQueue:
    policy = patch.get("spec", {}).get("stopPolicy", present.policy)
    annotations = patch["metadata"].get("annotations", {MARK: "true" if present.marked else None})
    return queue(policy, marked=annotations[MARK] is not None)


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("marked", [True, False])
@pytest.mark.parametrize("policy", ["None", "Hold", "HoldAndDrain"])
def test_one_action_is_enough(policy: str, marked: bool, closed: bool) -> None:
    present = queue(policy, marked=marked)
    action = action_for(present, closed=closed)
    after = present if action is Action.LEAVE else applied(present, patch_for(present, action))

    assert Action.LEAVE is action_for(after, closed=closed)


def test_a_queue_that_changed_since_it_was_read_is_not_touched() -> None:
    for patch in (patch_for(queue("None"), Action.STOP), start_patch(queue("Hold", marked=True))):
        metadata = patch["metadata"]
        assert isinstance(metadata, dict)
        assert "7" == metadata["resourceVersion"]


def test_a_queue_that_a_command_started_is_not_stopped_again_while_closed() -> None:
    present = queue("Hold", marked=True)

    after = applied(present, start_patch(present))

    assert not after.is_stopped_by_us
    assert Action.LEAVE is action_for(after, closed=True)
