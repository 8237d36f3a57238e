"""Rules about requests: which tier, whether exempt, when to try again.

A rule names patterns for some of namespace, user, groups and labels. Every field that it names must
match; within a field one pattern is enough. Rules are ordered and the first match wins.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from shield_admitter.core.review import Request

# Only the first groups of a user are matched, so that no request can hold up the others with
# millions of them. Active Directory gives a user 1,015 at most.
MAX_GROUPS: Final = 1024


@dataclass(frozen=True, slots=True)
class Matcher:
    """Compiled patterns of one rule.

    Attributes:
        namespaces: matches a namespace; None if the rule names none.
        users: matches a user name.
        groups: matches one group.
        labels: exact labels of the object. A user can set these: they must not be a rule's only
            way into a high tier.
    """

    namespaces: re.Pattern[str] | None = None
    users: re.Pattern[str] | None = None
    groups: re.Pattern[str] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    def matches(self, request: Request) -> bool:
        """Return whether all of the rule's fields match."""
        if self.namespaces is not None and not self.namespaces.match(request.namespace or ""):
            return False
        user = request.userInfo
        if self.users is not None and not self.users.match(user.username):
            return False
        if self.groups is not None:
            groups = islice(user.groups or (), MAX_GROUPS)
            if not any(map(self.groups.match, groups)):
                return False
        if self.labels:
            labels = request.labels()
            return all(labels.get(key) == value for key, value in self.labels.items())
        return True


@dataclass(frozen=True, slots=True)
class TierRule:
    """Puts matching requests into a tier."""

    tier: str
    matcher: Matcher
    index: int


@dataclass(frozen=True, slots=True)
class Exemption:
    """Admits matching requests whatever the decision is, until it expires.

    Attributes:
        matcher: of the requests.
        reason: why, for people.
        expires: Unix time, seconds; a `datetime` would take 3 µs of CPU per request.
        index: its place in the configuration.
    """

    matcher: Matcher
    reason: str
    expires: float
    index: int


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Asks matching clients to try again after some seconds."""

    seconds: int
    matcher: Matcher
    index: int

    def jittered_seconds(self, random: float) -> int:
        """Return whole seconds, plus or minus half, so that clients do not return all at once.

        Args:
            random: a random number from 0 to 1.
        """
        return max(1, round(self.seconds * (0.5 + random)))


Rule = TypeVar("Rule", TierRule, Exemption, RetryRule)


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Compile shell patterns (``*``, ``?``, ``[a-z]``), case-sensitive; None for no patterns."""
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def first_match(rules: Iterable[Rule], request: Request) -> Rule | None:
    """Return the first rule that matches."""
    for rule in rules:
        if rule.matcher.matches(request):
            return rule
    return None
