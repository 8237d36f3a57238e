"""Faults that a test can ask of the memory store."""

import pytest

from shield_common.store.protocol import AdmittedTotals, StoreError, UnclearError
from tests.fakes.memory_store import MemoryBackend, MemoryStore


async def test_a_lost_answer_leaves_the_counts_added() -> None:
    backend = MemoryBackend(now_ms=lambda: 0, lost_answers=True)
    store = MemoryStore(backend, cluster="rh01")
    with pytest.raises(UnclearError):
        await store.add_admitted({"standard": 1})
    assert AdmittedTotals({"standard": 1}) == await store.read_admitted()


async def test_an_unavailable_store_adds_nothing() -> None:
    backend = MemoryBackend(now_ms=lambda: 0, available=False)
    store = MemoryStore(backend, cluster="rh01")
    with pytest.raises(StoreError) as raised:
        await store.add_admitted({"standard": 1})
    assert not isinstance(raised.value, UnclearError)
    backend.available = True
    assert AdmittedTotals({}) == await store.read_admitted()
