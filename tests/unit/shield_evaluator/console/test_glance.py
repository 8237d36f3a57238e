"""What a look at Redis amounts to."""

from datetime import UTC, datetime, timedelta

import pytest

from shield_common.decision import (
    Decision,
    Override,
    TierDecision,
    encode_decision,
    encode_override,
)
from shield_common.store.keys import Keys
from shield_common.store.memory import MemoryBackend, MemoryStore
from shield_evaluator.console.glance import Glance, Standing, look, standing

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS = Keys.of("rh01")
TTL_MS = 300_000


def decision(*, interval_ms: int = 5_000, override: Override | None = None) -> Decision:
    """The default tier admits, `background` does not."""
    return Decision(
        cluster="rh01",
        epoch=7,
        sequence=1,
        ttl_ms=TTL_MS,
        interval_ms=interval_ms,
        evaluated_at=NOW,
        allow=True,
        tiers={
            "standard": TierDecision(allow=True, since=NOW),
            "background": TierDecision(allow=False, since=NOW, reason="etcd is full"),
        },
        signals={},
        override=override,
    )


OVERRIDE = Override(
    allow=False, reason="restore", by="oncall", since=NOW, until=NOW + timedelta(minutes=5)
)


@pytest.fixture
def backend() -> MemoryBackend:
    return MemoryBackend(now_ms=lambda: 1_795_262_400_000)


async def seen(backend: MemoryBackend, tier: str = "standard") -> Glance:
    return await look(MemoryStore(backend, cluster="rh01"), cluster="rh01", tier=tier)


async def test_nothing_there_is_absent(backend: MemoryBackend) -> None:
    assert Standing.ABSENT is (await seen(backend)).standing


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("standard", Standing.ADMITTING),
        ("background", Standing.DENYING),
        ("unheard-of", Standing.ADMITTING),
    ],
    ids=["admits", "denies", "default bit"],
)
async def test_a_fresh_decision_speaks_for_its_tiers(
    backend: MemoryBackend, tier: str, expected: Standing
) -> None:
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS)
    assert expected is (await seen(backend, tier)).standing


async def test_its_age_is_what_is_gone_of_its_life(backend: MemoryBackend) -> None:
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS - 12_000)
    assert 12.0 == (await seen(backend)).age_seconds


@pytest.mark.parametrize(
    ("interval_ms", "age", "expected"),
    [
        (5_000, 30.0, Standing.ADMITTING),
        (5_000, 30.1, Standing.STALE),
        (60_000, 180.0, Standing.ADMITTING),
        (60_000, 180.1, Standing.STALE),
        (5_000, None, Standing.STALE),
    ],
    ids=["at the limit", "beyond it", "slow evaluator", "slower yet", "no expiry"],
)
def test_a_decision_that_nobody_renews_is_stale(
    interval_ms: int, age: float | None, expected: Standing
) -> None:
    assert expected is standing(decision(interval_ms=interval_ms), age, "standard")


@pytest.mark.parametrize("document", [b"", b"{", b'{"schema":2}'], ids=["empty", "half", "future"])
async def test_garbage_is_absent_and_says_so(backend: MemoryBackend, document: bytes) -> None:
    backend.put(KEYS.decision, document, TTL_MS)
    glance = await seen(backend)
    assert Standing.ABSENT is glance.standing
    assert glance.problem


async def test_an_override_is_in_force_once_the_decision_obeys_it(backend: MemoryBackend) -> None:
    backend.put(KEYS.override, encode_override(OVERRIDE), 60_000)
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS)
    before = await seen(backend)
    backend.put(KEYS.decision, encode_decision(decision(override=OVERRIDE)), TTL_MS)
    after = await seen(backend)
    assert (False, True) == (before.override_in_force, after.override_in_force)


async def test_the_override_tells_how_long_it_still_lasts(backend: MemoryBackend) -> None:
    backend.put(KEYS.override, encode_override(OVERRIDE), 60_000)
    assert 60.0 == (await seen(backend)).override_seconds


async def test_the_admitters_that_listen_are_counted(backend: MemoryBackend) -> None:
    store = MemoryStore(backend, cluster="rh01")
    async with store.subscribe_decisions(), store.subscribe_decisions():
        assert 2 == (await seen(backend)).admitters
