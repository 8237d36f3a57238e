"""Matching a request against rules: which tier it is in, whether it is exempt, when to come back.

A rule names patterns for some of namespace, user, groups and labels. All the fields that it
names must match; within a field any pattern may. Rules are ordered and the first match wins.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from shield_admitter.core.review import Request


@dataclass(frozen=True, slots=True)
class Matcher:
    """Patterns of one rule, compiled.

    Attributes:
        namespaces: matches a namespace; None if the rule does not name any.
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
        """Say whether all of the rule's fields match."""
        if self.namespaces is not None and not self.namespaces.match(request.namespace or ""):
            return False
        user = request.userInfo
        if self.users is not None and not self.users.match(user.username):
            return False
        if self.groups is not None and not any(map(self.groups.match, user.groups or ())):
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
    position: int


@dataclass(frozen=True, slots=True)
class Exemption:
    """Admits matching requests whatever the shield says, until it expires."""

    matcher: Matcher
    reason: str
    expires: datetime
    position: int


@dataclass(frozen=True, slots=True)
class RetryRule:
    """Tells matching requesters after how many seconds to come back."""

    seconds: int
    matcher: Matcher
    position: int

    def jittered(self, chance: float) -> int:
        """Return whole seconds, give or take half; requesters do not all come back at once.

        Args:
            chance: a random number from 0 to 1.
        """
        return max(1, round(self.seconds * (0.5 + chance)))


def compile_globs(patterns: Sequence[str]) -> re.Pattern[str] | None:
    """Compile shell patterns (``*``, ``?``, ``[a-z]``), case-sensitive; None for no patterns."""
    if not patterns:
        return None
    return re.compile("|".join(fnmatch.translate(pattern) for pattern in patterns))


def find_tier(rules: Sequence[TierRule], request: Request) -> TierRule | None:
    """Return the first tier rule that matches."""
    for rule in rules:
        if rule.matcher.matches(request):
            return rule
    return None


def find_exemption(
    exemptions: Sequence[Exemption], request: Request, utc: datetime
) -> Exemption | None:
    """Return the first exemption that matches and has not expired."""
    return next(
        (e for e in exemptions if utc < e.expires and e.matcher.matches(request)),
        None,
    )


def find_retry(rules: Sequence[RetryRule], request: Request) -> RetryRule | None:
    """Return the first retry rule that matches."""
    return next((rule for rule in rules if rule.matcher.matches(request)), None)
