"""What an evaluator would publish, when the test says so."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from shield_common.decision import Decision, TierDecision, encode_decision
from shield_common.store.protocol import Publication, PublishResult, StoreError
from shield_common.store.redis import RedisStore
from shield_common.store.settings import RedisSettings

CLUSTER = "rh01"
SINCE = datetime(2026, 11, 21, 9, 58, 10, tzinfo=UTC)


def tier(*, allow: bool) -> TierDecision:
    if allow:
        return TierDecision(allow=True, since=SINCE)
    return TierDecision(
        allow=False,
        since=SINCE,
        reason="etcd is at 93.4% of its quota",
        signal="db-file",
        value=0.934,
        set=0.9,
        reset=0.8,
    )


class Publisher:
    """Writes decisions as the single writer does, without measuring anything."""

    def __init__(self, settings: RedisSettings, *, epoch: int = 7) -> None:
        self.store = RedisStore(settings, cluster=CLUSTER)
        self.epoch = epoch
        self.sequence = 0
        self.allow = True
        self.interval_ms = 200
        self.ttl_ms = 300_000
        self.skew_seconds = 0.0
        self.tiers: dict[str, TierDecision] | None = None  # instead of the usual ones

    def document(self, **changes: Any) -> bytes:
        now = datetime.fromtimestamp(datetime.now(UTC).timestamp() + self.skew_seconds, UTC)
        fields: dict[str, Any] = {
            "cluster": CLUSTER,
            "epoch": self.epoch,
            "sequence": self.sequence,
            "ttl_ms": self.ttl_ms,
            "interval_ms": self.interval_ms,
            "evaluated_at": now,
            "allow": self.allow,
            "tiers": self.tiers
            or {"standard": tier(allow=self.allow), "critical": tier(allow=True)},
            "signals": {},
        }
        return encode_decision(Decision(**(fields | changes)))

    async def publish(self, *, allow: bool | None = None) -> None:
        """Publish once; raises StoreError when Redis is away."""
        self.allow = self.allow if allow is None else allow
        self.sequence += 1
        answer = await self.store.publish(
            Publication(
                holder="test",
                epoch=self.epoch,
                lease_ms=600_000,
                document=self.document(),
                ttl_ms=self.ttl_ms,
                allow=self.allow,
                latches=b"{}",
            )
        )
        assert PublishResult.PUBLISHED is answer.result

    @asynccontextmanager
    async def beating(self) -> AsyncIterator[None]:
        """Publish every interval, as long as Redis is there."""

        async def beat() -> None:
            while True:
                with suppress(StoreError):
                    await self.publish()
                await asyncio.sleep(self.interval_ms / 1000)

        task = asyncio.create_task(beat())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
