"""What a simulated run does to a simulated etcd."""

import pytest

from shield_evaluator.simulate.etcd import Etcd
from shield_evaluator.simulate.world import GIB, MIB, EtcdModel, RunModel

RUN = RunModel(leaves=1 * MIB, writes=3 * MIB, lasts=100, pruned_after=1000)
# In the middle of nowhere: no compaction and no defragmentation but those that a test asks for.
NEVER = 1_000_000


def _etcd(*, compaction: int = NEVER, defrag: int | None = None, run: RunModel = RUN) -> Etcd:
    model = EtcdModel(quota=8 * GIB, base=0.125, compaction=compaction, defrag=defrag)
    return Etcd(model, run)


def _grown(etcd: Etcd) -> float:
    """Return MiB beyond the base of 1 GiB."""
    return (etcd.in_use - GIB) / MIB


def _advance(etcd: Etcd, first: int, last: int) -> None:
    for second in range(first, last + 1):
        etcd.advance(second)


def test_a_run_grows_evenly_to_all_that_it_writes() -> None:
    etcd = _etcd()
    etcd.start(0)

    _advance(etcd, 1, 50)
    half = _grown(etcd)
    _advance(etcd, 51, 500)

    assert pytest.approx(2, abs=0.05) == half
    assert pytest.approx(4, abs=0.05) == _grown(etcd)
    assert 0 == etcd.writing


def test_revisions_are_compacted_by_the_second_compaction_after_them() -> None:
    etcd = _etcd(compaction=200)
    etcd.start(0)

    _advance(etcd, 1, 199)
    after_first = _grown(etcd)
    _advance(etcd, 200, 399)

    assert pytest.approx(4, abs=0.05) == after_first
    assert pytest.approx(1, abs=0.05) == _grown(etcd)


def test_a_pruned_run_leaves_history_until_it_is_compacted() -> None:
    etcd = _etcd(compaction=1000)
    etcd.start(0)

    _advance(etcd, 1, 1998)
    pruned = _grown(etcd)
    _advance(etcd, 1999, 2999)

    assert pytest.approx(4, abs=0.05) == pruned
    assert pytest.approx(0, abs=0.05) == _grown(etcd)


def test_the_file_never_shrinks_without_a_defragmentation() -> None:
    etcd = _etcd(compaction=200)
    etcd.start(0)

    _advance(etcd, 1, 900)

    assert pytest.approx(GIB + 4 * MIB, abs=0.05 * MIB) == etcd.file


def test_a_defragmentation_makes_the_file_as_large_as_what_is_in_use() -> None:
    etcd = _etcd(compaction=200, defrag=900)
    etcd.start(0)

    _advance(etcd, 1, 900)

    assert etcd.in_use == etcd.file


def test_etcd_is_full_when_its_file_is_at_the_quota() -> None:
    etcd = _etcd(run=RunModel(leaves=MIB, writes=GIB, lasts=10, pruned_after=10))
    for _ in range(8):
        etcd.start(0)

    _advance(etcd, 1, 8)
    before = etcd.full
    _advance(etcd, 9, 10)

    assert (False, True) == (before, etcd.full)
