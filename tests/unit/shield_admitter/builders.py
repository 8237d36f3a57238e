"""Decisions, requests and policies with only what a test is about spelled out."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from shield_admitter.core.review import Kind, Request, UserInfo
from shield_admitter.core.rules import Matcher, compile_globs
from shield_admitter.core.run_object import read_object
from shield_admitter.core.verdict import Mode, Policy
from shield_common.decision import Decision, TierDecision
from shield_common.decision_age import CachedDecision, FreshnessLimits

LIMITS = FreshnessLimits(stale_after_ms=30_000, expired_after_ms=300_000)
SINCE = datetime(2026, 11, 21, 9, 58, 10, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)

DENYING = TierDecision(
    allow=False,
    since=SINCE,
    reason="etcd is at 93.4% of its quota",
    signal="db-file",
    value=0.934,
    set=0.9,
    reset=0.8,
)
ADMITTING = TierDecision(allow=True, since=SINCE)


def decision(**changes: Any) -> Decision:
    fields: dict[str, Any] = {
        "cluster": "rh01",
        "epoch": 7,
        "sequence": 4211,
        "ttl_ms": 300_000,
        "evaluated_at": NOW,
        "allow": False,
        "tiers": {"standard": DENYING, "critical": ADMITTING},
        "signals": {},
    }
    return Decision(**(fields | changes))


def cached(*, age_ms: int = 0, now_ms: int = 0, **changes: Any) -> CachedDecision:
    return CachedDecision(decision(**changes), now_ms - age_ms)


def request(**changes: Any) -> Request:
    """A request; objects are given as `msgspec.Raw`."""
    fields: dict[str, Any] = {
        "uid": "u-1",
        "operation": "CREATE",
        "kind": Kind("tekton.dev", "v1", "PipelineRun"),
        "namespace": "team-orders",
        "userInfo": UserInfo("ada", ("staff", "system:authenticated")),
        "object": msgspec.Raw(b'{"metadata":{"name":"run-7","labels":{"tier":"gold"}}}'),
    }
    fields |= changes
    for key in {"object", "oldObject"} & fields.keys():
        fields[key] = read_object(fields[key])
    return Request(**fields)


def policy(**changes: Any) -> Policy:
    fields: dict[str, Any] = {
        "tier_rules": (),
        "default_tier": "standard",
        "mode": Mode.ENFORCE,
        "limits": LIMITS,
        "allow_unknown": True,
    }
    return Policy(**(fields | changes))


def matcher(
    *,
    namespaces: tuple[str, ...] = (),
    users: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
) -> Matcher:
    return Matcher(
        namespaces=compile_globs(namespaces),
        users=compile_globs(users),
        groups=compile_globs(groups),
        labels=labels or {},
    )
