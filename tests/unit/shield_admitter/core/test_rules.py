"""Which requests a rule is about, and which of several rules counts."""

import msgspec
import pytest

from shield_admitter.core.review import UserInfo
from shield_admitter.core.rules import (
    MAX_GROUPS,
    Matcher,
    RetryRule,
    TierRule,
    first_match,
)
from tests.unit.shield_admitter.builders import matcher, request


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (matcher(namespaces=("team-orders",)), True),
        (matcher(namespaces=("team-*",)), True),
        (matcher(namespaces=("*-releng", "*-orders")), True),
        (matcher(namespaces=("team",)), False),
        (matcher(namespaces=("orders",)), False),
        (matcher(namespaces=("Team-*",)), False),
        (matcher(namespaces=("team?orders",)), True),
        (matcher(namespaces=("team-[n-p]*",)), True),
        (matcher(users=("ada",)), True),
        (matcher(users=("a?",)), False),
        (matcher(users=("da",)), False),
        (matcher(groups=("system:*",)), True),
        (matcher(groups=("admins",)), False),
        (matcher(labels={"tier": "gold"}), True),
        (matcher(labels={"tier": "g*"}), False),
        (matcher(labels={"tier": "gold", "other": "x"}), False),
        (matcher(namespaces=("team-*",), users=("ada",), groups=("staff",)), True),
        (matcher(namespaces=("team-*",), users=("eve",)), False),
        (matcher(namespaces=("team-*",), labels={"tier": "lead"}), False),
        (matcher(namespaces=("team.orders",)), False),
    ],
    ids=[
        "namespace",
        "glob",
        "one of several",
        "not a prefix",
        "not a suffix",
        "case counts",
        "question mark",
        "range",
        "user",
        "another user",
        "not a part of a user",
        "one of the groups",
        "none of the groups",
        "label",
        "labels are no globs",
        "all labels",
        "all fields",
        "all but one field",
        "all but the label",
        "no regular expression",
    ],
)
def test_all_fields_of_a_rule_have_to_match(rule: Matcher, matches: bool) -> None:
    assert matches == rule.matches(request())


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        (matcher(namespaces=("*",)), True),
        (matcher(namespaces=("?*",)), False),
        (matcher(users=("?*",)), False),
        (matcher(groups=("*",)), False),
        (matcher(labels={"tier": ""}), False),
    ],
    ids=["any namespace", "some namespace", "some user", "any group", "empty label"],
)
def test_what_a_request_lacks_is_empty(rule: Matcher, matches: bool) -> None:
    bare = request(namespace=None, userInfo=UserInfo(), object=msgspec.Raw(b"null"))
    assert matches == rule.matches(bare)


def test_a_name_with_newlines_does_not_slip_past_a_pattern() -> None:
    assert not matcher(users=("ada",)).matches(request(userInfo=UserInfo("ada\n")))


@pytest.mark.shows("trial S3")
def test_only_the_first_groups_of_a_user_are_matched() -> None:
    rule = matcher(groups=("staff",))
    others = ("other",) * (MAX_GROUPS - 1)
    assert rule.matches(request(userInfo=UserInfo("ada", (*others, "staff"))))
    assert not rule.matches(request(userInfo=UserInfo("ada", (*others, "other", "staff"))))


def test_the_first_tier_rule_that_matches_counts() -> None:
    rules = [
        TierRule("critical", matcher(namespaces=("*-releng",)), 0),
        TierRule("background", matcher(users=("ada",)), 1),
        TierRule("critical", matcher(namespaces=("team-*",)), 2),
    ]
    assert rules[1] is first_match(rules, request())


def test_no_tier_rule_may_match() -> None:
    assert first_match([TierRule("critical", matcher(users=("eve",)), 0)], request()) is None


def test_the_first_retry_rule_that_matches_counts() -> None:
    rules = [RetryRule(30, matcher(users=("bot-*",)), 0), RetryRule(5, matcher(users=("*",)), 1)]
    assert rules[1] is first_match(rules, request())


@pytest.mark.parametrize(
    ("seconds", "chance", "told"),
    [(30, 0.0, 15), (30, 0.5, 30), (30, 1.0, 45), (1, 0.0, 1), (1, 1.0, 2), (300, 0.999, 450)],
)
def test_retries_are_spread_by_half(seconds: int, chance: float, told: int) -> None:
    assert told == RetryRule(seconds, matcher(users=("*",)), 0).jittered_seconds(chance)
