"""The decision as Kubernetes objects: a `Decision`, and a ConfigMap for what reads only those.

The forms are fixed by ``docs/architecture.md``. Policies read them, so an object is written only
from a decision in force, and carries the time at which the evaluator decided: a reader of it
ignores it once it is older than its lifetime.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any, Final

from shield_common.text import format_value, truncate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shield_common.decision import Decision

API_VERSION: Final = "etcd-shield.dev/v1alpha1"
MAX_REASON: Final = 400  # characters, as the CRD allows
# Decisions without another bit are mirrored this often, so that readers see that they are fresh.
REFRESH_MS: Final = 60_000


def decision_object(decision: Decision, *, namespace: str, name: str) -> dict[str, Any]:
    """Return the `Decision` object to apply."""
    spec: dict[str, Any] = {
        "evaluatedAt": _moment(decision),
        "ttlSeconds": ttl_seconds(decision),
        "allow": decision.allow,
        "reason": truncate(_reason(decision), MAX_REASON),
        "usage": _usage(decision),
        "tiers": {
            tier: {
                "allow": state.allow,
                "reason": truncate(state.reason, MAX_REASON),
                **({} if state.value is None else {"value": state.value}),
            }
            for tier, state in decision.tiers.items()
        },
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "Decision",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def config_map(decision: Decision, *, namespace: str, name: str) -> dict[str, Any]:
    """Return the ConfigMap to apply; all values are text."""
    data = {
        "allow": "1" if decision.allow else "0",
        "default": _word(allow=decision.allow),
        "evaluatedAt": _moment(decision),
        "ttl": f"{ttl_seconds(decision)}s",
    }
    for tier, state in decision.tiers.items():
        # The names above win: a tier may be called "default" or "ttl".
        data.setdefault(tier, _word(allow=state.allow))
        if state.reason:
            data.setdefault(f"reason.{tier}", truncate(state.reason, MAX_REASON))
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": namespace,
            # Kyverno caches ConfigMaps with this label instead of reading them at every admission.
            "labels": {"cache.kyverno.io/enabled": "true"},
        },
        "data": data,
    }


def ttl_seconds(decision: Decision) -> int:
    """Return the decision's lifetime in whole seconds, at least one."""
    return max(1, decision.ttl_ms // 1000)


def bits(decision: Decision) -> Mapping[str, bool]:
    """Return what readers act on; a mirror is written at once when it changes.

    Reasons and values change with every sample, and etcd is nearly full when they matter: they are
    written with the next change or refresh.
    """
    return {"": decision.allow, **{name: tier.allow for name, tier in decision.tiers.items()}}


def _moment(decision: Decision) -> str:
    """Return the time of the decision as RFC 3339 to the second, in UTC."""
    try:
        at = decision.evaluated_at.astimezone(UTC)
    except OverflowError:  # on the first or last day of the calendar, in another zone
        at = decision.evaluated_at
    # Not `strftime`, which writes the year 999 with three digits.
    return f"{at.replace(microsecond=0, tzinfo=None).isoformat()}Z"


def _word(*, allow: bool) -> str:
    return "allow" if allow else "deny"


def _reason(decision: Decision) -> str:
    """Return the first reason for which a tier denies; empty while all admit."""
    return next((tier.reason for tier in decision.tiers.values() if tier.reason), "")


def _usage(decision: Decision) -> str:
    """Return the greatest reported value, for people: ``93.4%``; empty without one."""
    tiers = [tier for tier in decision.tiers.values() if tier.value is not None]
    if not tiers:
        return ""
    worst = max(tiers, key=lambda tier: tier.value or 0.0)
    return format_value(worst.value or 0.0, worst.unit)
