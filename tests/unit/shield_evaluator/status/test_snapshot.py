"""Changes of tiers between two decisions."""

import pytest

from shield_evaluator.status.snapshot import Snapshot, tier_changes
from tests.unit.shield_evaluator.page_scenes import admitting, denying, overridden


def changed(before: Snapshot, after: Snapshot) -> dict[str, tuple[bool, str]]:
    assert before.decision is not None
    assert after.decision is not None
    return {
        change.tier: (change.allow, change.reason)
        for change in tier_changes(before.decision, after.decision)
    }


RELEASE = "release of 4.19 must finish, etcd is being defragmented"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(admitting(), denying(), (False, "etcd is at 93.4% of its quota"), id="denied"),
        pytest.param(denying(), admitting(), (True, "no signal denies it"), id="admitted"),
        pytest.param(
            denying(), overridden(), (True, f"allowed by an operator: {RELEASE}"), id="overridden"
        ),
    ],
)
def test_a_tier_change_has_its_reason(
    before: Snapshot, after: Snapshot, expected: tuple[bool, str]
) -> None:
    assert expected == changed(before, after)["standard"]


def test_the_same_decision_twice_is_no_change() -> None:
    assert {} == changed(denying(), denying())
