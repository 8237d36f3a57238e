"""Why a tier changed, as the status page's list of changes tells it."""

import pytest

from shield_evaluator.status.facts import Facts, changes
from tests.unit.shield_evaluator.page_scenes import admitting, denying, overridden


def told(before: Facts, after: Facts) -> dict[str, tuple[bool, str]]:
    assert before.decision is not None
    assert after.decision is not None
    return {
        change.tier: (change.allow, change.reason)
        for change in changes(before.decision, after.decision)
    }


RELEASE = "release of 4.19 must finish, etcd is being defragmented"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            admitting(), denying(), (False, "etcd is at 93.4% of its quota"), id="it is denied"
        ),
        pytest.param(denying(), admitting(), (True, "no signal denies it"), id="it is admitted"),
        pytest.param(
            denying(), overridden(), (True, f"allowed by an operator: {RELEASE}"), id="overridden"
        ),
    ],
)
def test_a_change_says_what_made_it(
    before: Facts, after: Facts, expected: tuple[bool, str]
) -> None:
    assert expected == told(before, after)["standard"]


def test_a_tier_that_stays_as_it_is_is_no_change() -> None:
    assert {} == told(denying(), denying())
