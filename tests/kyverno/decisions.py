"""The ConfigMap that etcd-shield's controller writes, of any age."""

from datetime import UTC, datetime, timedelta
from typing import Any

from shield_common.decision import Decision, TierDecision
from shield_controller.core.mirror import config_map

NAMESPACE, NAME = "etcd-shield", "etcd-shield-decision"
TEAM, RELENG = "team-a", "team-a-releng"


def moment(age: float) -> datetime:
    """Return the time some seconds ago."""
    return datetime.now(UTC) - timedelta(seconds=age)


def mirrored(tiers: dict[str, bool], age: float) -> dict[str, Any]:
    """Return the ConfigMap of a decision that was made `age` seconds ago."""
    decisions = {
        name: TierDecision(allow=allow, since=moment(age), reason="" if allow else "etcd is full")
        for name, allow in tiers.items()
    }
    decision = Decision(
        cluster="test", epoch=1, sequence=1, ttl_ms=300_000, allow=tiers["standard"],
        evaluated_at=moment(age), tiers=decisions, signals={},
    )  # fmt: skip
    return config_map(decision, namespace=NAMESPACE, name=NAME)
