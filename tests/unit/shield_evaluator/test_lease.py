"""What the writer logs about a store that fails, and what it does if a question is refused."""

from contextlib import suppress
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from shield_common.store.protocol import Claim, StoreError
from shield_evaluator.core.state import Instant
from shield_evaluator.lease import POLICY_TRIES, Writer
from tests.fakes.memory_store import MemoryBackend, MemoryStore

WARNING = "the store does not answer"


class FailingStore(MemoryStore):
    """A store that fails on request, and may refuse to tell its eviction policy.

    Attributes:
        error: what every operation fails with; None while it works.
        policy_error: what reading the eviction policy fails with.
        questions: how often the eviction policy was asked for.
    """

    def __init__(self) -> None:
        self.backend = MemoryBackend(now_ms=lambda: 0)
        super().__init__(self.backend, cluster="rh01")
        self.error: StoreError | None = None
        self.policy_error: StoreError | None = None
        self.questions = 0

    async def claim_lease(
        self, holder: str, lease_ms: int, *, above: int = 0, after_loss: bool = True
    ) -> Claim:
        self._fail()
        return await super().claim_lease(holder, lease_ms, above=above, after_loss=after_loss)

    async def read_latches(self) -> bytes | None:
        self._fail()
        return await super().read_latches()

    async def eviction_policy(self) -> str | None:
        self._fail()
        self.questions += 1
        if self.policy_error is not None:
            raise self.policy_error
        return await super().eviction_policy()

    def _fail(self) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def store() -> FailingStore:
    return FailingStore()


@pytest.fixture
def writer(store: FailingStore) -> Writer:
    now = Instant(ms=0, utc=datetime(2026, 11, 21, 12, tzinfo=UTC))
    return Writer(store, holder="ada", lease_ms=15_000, allow_eviction=False, now=lambda: now)


async def claim(writer: Writer, times: int = 1) -> list[EventDict]:
    """Claim the lease and return the warnings that were logged."""
    with capture_logs() as lines:
        for _ in range(times):
            with suppress(StoreError):
                await writer.claim()
    return [line for line in lines if line["log_level"] == "warning"]


@pytest.mark.shows("trial T12")
@pytest.mark.parametrize("kind", ["connection", "authentication", "timeout", "permission"])
async def test_a_store_that_fails_from_the_start_is_logged_once(
    store: FailingStore, writer: Writer, kind: str
) -> None:
    store.error = StoreError(kind, "the reason")
    warnings = await claim(writer, times=5)
    assert [(WARNING, kind, "the reason")] == [
        (line["event"], line["kind"], line["problem"]) for line in warnings
    ]


@pytest.mark.shows("trial T12")
async def test_another_kind_of_failure_is_logged_too(store: FailingStore, writer: Writer) -> None:
    store.error = StoreError("connection", "refused")
    await claim(writer)
    store.error = StoreError("authentication", "wrong password")
    (line,) = await claim(writer, times=3)
    assert "authentication" == line["kind"]


@pytest.mark.shows("trial T12")
async def test_alternating_failures_are_one_episode(store: FailingStore, writer: Writer) -> None:
    for kind in ("timeout", "connection"):
        store.error = StoreError(kind, kind)
        await claim(writer)
    for kind in ("timeout", "connection"):
        store.error = StoreError(kind, kind)
        assert [] == await claim(writer)


@pytest.mark.shows("trial T12")
async def test_a_second_episode_is_logged_again(store: FailingStore, writer: Writer) -> None:
    store.error = StoreError("connection", "refused")
    await claim(writer)
    store.error = None
    await claim(writer)
    store.error = StoreError("connection", "refused")
    assert 1 == len(await claim(writer, times=3))


@pytest.mark.shows("trial T12")
async def test_a_store_that_works_from_the_start_is_not_reported_as_returned(
    writer: Writer,
) -> None:
    with capture_logs() as lines:
        await writer.claim()
    assert "the store answers again" not in [line["event"] for line in lines]


@pytest.mark.shows("trial T11")
async def test_a_question_that_a_proxy_ends_the_connection_for_does_not_stop_the_evaluator(
    store: FailingStore, writer: Writer
) -> None:
    store.policy_error = StoreError("connection", "Connection closed by server.")
    await claim(writer, times=POLICY_TRIES)
    assert writer.lease_held


@pytest.mark.shows("trial T11")
async def test_an_unreadable_policy_is_logged_once_and_not_asked_again(
    store: FailingStore, writer: Writer
) -> None:
    store.policy_error = StoreError("connection", "Connection closed by server.")
    warnings = await claim(writer, times=POLICY_TRIES + 3)
    assert 1 == len([line for line in warnings if "maxmemory-policy" in line["event"]])
    asked = store.questions
    await claim(writer, times=3)
    assert asked == store.questions


@pytest.mark.shows("trial T11")
async def test_a_store_that_is_away_for_long_is_still_asked_for_its_policy(
    store: FailingStore, writer: Writer
) -> None:
    store.error = StoreError("connection", "refused")
    await claim(writer, times=POLICY_TRIES + 3)
    store.error = None
    await claim(writer)
    assert 1 == store.questions
    assert writer.lease_held
