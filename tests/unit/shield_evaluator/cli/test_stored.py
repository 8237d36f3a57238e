"""The shield's status as Redis holds it."""

from datetime import UTC, datetime, timedelta

import pytest

from shield_common.decision import (
    Decision,
    Override,
    TierDecision,
    encode_decision,
    encode_override,
)
from shield_common.held import HeldReport, TierReport, encode_held_report
from shield_common.store.keys import Keys
from shield_evaluator.cli.stored import Standing, StoredStatus, read_status, standing
from shield_evaluator.core.latches_document import encode
from shield_evaluator.core.plan import RoomPlan, Threshold
from shield_evaluator.core.reservations import Batch, Reservation
from shield_evaluator.core.room import RoomState
from shield_evaluator.core.state import ShieldState
from tests.fakes.memory_store import MemoryBackend, MemoryStore
from tests.unit.shield_evaluator.plans import TIER, one_latch

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS = Keys("rh01")
TTL_MS = 300_000


def decision(*, interval_ms: int = 5_000, override: Override | None = None) -> Decision:
    """Return a decision that admits the default tier and denies `background`."""
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


async def read(backend: MemoryBackend, tier: str = "standard") -> StoredStatus:
    return await read_status(MemoryStore(backend, cluster="rh01"), cluster="rh01", tier=tier)


async def test_without_a_decision_the_standing_is_absent(backend: MemoryBackend) -> None:
    assert Standing.ABSENT is (await read(backend)).standing


@pytest.mark.parametrize(
    ("tier", "expected"),
    [
        ("standard", Standing.ADMITTING),
        ("background", Standing.DENYING),
        ("unheard-of", Standing.ADMITTING),
    ],
    ids=["admits", "denies", "default bit"],
)
async def test_a_fresh_decision_gives_the_standing_of_a_tier(
    backend: MemoryBackend, tier: str, expected: Standing
) -> None:
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS)
    assert expected is (await read(backend, tier)).standing


async def test_the_age_is_the_part_of_the_ttl_that_is_over(backend: MemoryBackend) -> None:
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS - 12_000)
    assert 12.0 == (await read(backend)).age_seconds


@pytest.mark.parametrize(
    ("interval_ms", "age", "expected"),
    [
        (5_000, 30.0, Standing.ADMITTING),
        (5_000, 30.1, Standing.STALE),
        (60_000, 180.0, Standing.ADMITTING),
        (60_000, 180.1, Standing.STALE),
        (5_000, None, Standing.STALE),
    ],
    ids=["at 30 s", "above 30 s", "at three intervals", "above three intervals", "no expiry"],
)
def test_a_decision_that_is_not_renewed_is_stale(
    interval_ms: int, age: float | None, expected: Standing
) -> None:
    assert expected is standing(decision(interval_ms=interval_ms), age, "standard")


@pytest.mark.parametrize("document", [b"", b"{", b'{"schema":2}'], ids=["empty", "half", "future"])
async def test_an_unreadable_decision_is_absent_with_a_problem(
    backend: MemoryBackend, document: bytes
) -> None:
    backend.put(KEYS.decision, document, TTL_MS)
    stored = await read(backend)
    assert Standing.ABSENT is stored.standing
    assert stored.problem


async def test_an_override_is_not_in_force_before_the_decision_obeys(
    backend: MemoryBackend,
) -> None:
    backend.put(KEYS.override, encode_override(OVERRIDE), 60_000)
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS)
    assert not (await read(backend)).override_in_force


async def test_an_override_is_in_force_once_the_decision_obeys(backend: MemoryBackend) -> None:
    backend.put(KEYS.override, encode_override(OVERRIDE), 60_000)
    backend.put(KEYS.decision, encode_decision(decision(override=OVERRIDE)), TTL_MS)
    assert (await read(backend)).override_in_force


async def test_the_remaining_time_of_an_override_is_its_expiry(backend: MemoryBackend) -> None:
    backend.put(KEYS.override, encode_override(OVERRIDE), 60_000)
    assert 60.0 == (await read(backend)).override_seconds


async def test_subscribed_admitters_are_counted(backend: MemoryBackend) -> None:
    store = MemoryStore(backend, cluster="rh01")
    async with store.subscribe_decisions(), store.subscribe_decisions():
        assert 2 == (await read(backend)).admitters


ROOM = RoomPlan(
    target=0.88, run_cost=4 * 1024**2, lag_ms=30_000, grows_over_ms=600_000, spend_ms=60_000
)
PLAN = one_latch(Threshold(set=0.90, reset=0.80, room=ROOM))


async def reservations(backend: MemoryBackend) -> dict[str, Reservation]:
    store = MemoryStore(backend, cluster="rh01")
    return (await read_status(store, cluster="rh01", tier=TIER, plan=PLAN)).reservations


def stored_room(*batches: Batch, now_ms: int) -> bytes:
    state = ShieldState(room=RoomState(batches={TIER: batches}))
    return encode(state, now_ms=now_ms, order=(7, 1))


async def test_reservations_come_from_the_stored_latches(backend: MemoryBackend) -> None:
    backend.put(KEYS.latches, stored_room(Batch(1_000, 250), now_ms=2_000), TTL_MS)
    assert Reservation(250, 1000 * 1024**2) == (await reservations(backend))[TIER]


async def test_reservations_shrink_with_the_age_of_the_decision(backend: MemoryBackend) -> None:
    backend.put(KEYS.latches, stored_room(Batch(0, 250), now_ms=300_000), TTL_MS)
    backend.put(KEYS.decision, encode_decision(decision()), TTL_MS - 30_000)
    # 330 s after their admission, half of what the runs write is visible.
    assert pytest.approx(500 * 1024**2) == (await reservations(backend))[TIER].reserved


@pytest.mark.parametrize("document", [None, b"{", b'{"schema":99}'], ids=["none", "half", "future"])
async def test_without_readable_latches_there_are_no_reservations(
    backend: MemoryBackend, document: bytes | None
) -> None:
    if document is not None:
        backend.put(KEYS.latches, document, TTL_MS)
    assert {} == await reservations(backend)


async def test_the_report_of_held_runs_is_part_of_the_status(backend: MemoryBackend) -> None:
    assert (await read(backend)).held is None
    report = HeldReport(reported_at=NOW, tiers={"standard": TierReport(held=43)})
    backend.put(KEYS.held, encode_held_report(report), TTL_MS)
    assert report == (await read(backend)).held
    backend.put(KEYS.held, b"garbage", TTL_MS)
    assert (await read(backend)).held is None
