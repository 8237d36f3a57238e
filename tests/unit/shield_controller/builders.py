"""Held runs, decisions and settings with only what a test is about spelled out."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from shield_common.decision import Decision, TierDecision
from shield_common.decision_feed import DecisionFeed, FreshnessSettings
from shield_common.store.settings import RedisSettings
from shield_controller.core.runs import HeldRun
from shield_controller.settings import ControllerSettings
from tests.fakes.memory_store import MemoryBackend, MemoryStore

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def run(name: str = "one", *, age: float = 0, **fields: Any) -> HeldRun:
    """Return a held run that was created `age` seconds before noon."""
    values: dict[str, Any] = {
        "uid": f"uid-{name}",
        "namespace": "team-a",
        "tier": "standard",
        "created": NOON - timedelta(seconds=age),
    }
    return HeldRun(name=name, **(values | fields))


def tier(*, allow: bool = True, **fields: Any) -> TierDecision:
    return TierDecision(allow=allow, since=NOON, **fields)


def decision(sequence: int = 1, *, allow: bool = True, **tiers: TierDecision) -> Decision:
    return Decision(
        cluster="rh01",
        epoch=1,
        sequence=sequence,
        ttl_ms=300_000,
        evaluated_at=NOON,
        allow=allow,
        tiers=tiers or {"standard": tier(allow=allow)},
        signals={},
    )


def feed(now_ms: Callable[[], int]) -> DecisionFeed:
    """Return a feed whose cached decision the test sets."""
    return DecisionFeed(
        MemoryStore(MemoryBackend(now_ms=now_ms), cluster="rh01"),
        cluster="rh01",
        limits=FreshnessSettings().limits(),
        refresh=5.0,
        now_ms=now_ms,
        random=lambda: 0.0,
    )


def settings(**fields: Any) -> ControllerSettings:
    return ControllerSettings(
        cluster="rh01", redis=RedisSettings(url="redis://redis:6379/0"), **fields
    )
