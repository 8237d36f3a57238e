"""The judgement over a demo with held runs."""

import pytest

from tests.demo.holding.findings import judge_holding
from tests.demo.holding.journal import Journal, RunState
from tests.demo.plan import DB_FILE, HoldingPlan
from tests.demo.record import Record

PLAN = HoldingPlan(runs=3)


def state(name: str, revision: int, *, second: int = 0, pending: bool = False) -> RunState:
    created = f"2026-11-26T01:00:{second:02}Z"
    return RunState(name=name, created=created, revision=revision, is_pending=pending)


def journal(*released: str) -> Journal:
    """Return a journal of three runs, of which two were held and released in this order."""
    made = Journal()
    made.see(state("run-1", 1))
    made.see(state("run-2", 2, second=1, pending=True))
    made.see(state("run-3", 3, second=2, pending=True))
    for revision, name in enumerate(released, start=4):
        made.see(state(name, revision, second=9))
    made.finished.extend(made.started)
    return made


def broken(of: Journal, *, peak: float = 0.6) -> list[str]:
    record = Record(PLAN, clock=lambda: 0.0)
    record.use(DB_FILE, peak)
    return [f.promise for f in judge_holding(record, of, PLAN) if not f.holds]


def test_a_demo_in_which_all_runs_start_in_order_succeeds() -> None:
    assert [] == broken(journal("run-2", "run-3"))


def test_a_demo_in_which_a_younger_run_starts_first_fails() -> None:
    assert ["held runs started in the order of their creation"] == broken(journal("run-3", "run-2"))


def test_runs_of_one_second_may_start_in_the_order_of_their_names() -> None:
    made = Journal()
    made.see(state("run-2", 1, pending=True))
    made.see(state("run-1", 2, pending=True))
    made.see(state("run-1", 3))
    made.see(state("run-2", 4))
    assert 0 == made.overtaken()


def test_a_demo_that_leaves_a_run_held_fails() -> None:
    assert ["no run was lost", "nothing is held at the end"] == broken(journal("run-2"))


def test_a_demo_in_which_a_run_is_refused_fails() -> None:
    made = journal("run-2", "run-3")
    made.refused.append("run-4")
    assert ["no creation was refused"] == broken(made)


def test_a_demo_in_which_nothing_is_held_fails() -> None:
    made = Journal()
    for number in (1, 2, 3):
        made.see(state(f"run-{number}", number))
    made.finished.extend(made.started)
    assert ["runs were held"] == broken(made)


@pytest.mark.parametrize(
    ("above", "promises"), [(0.0, []), (0.01, ["etcd stayed at its target"])], ids=["at", "above"]
)
def test_etcd_may_exceed_the_target_by_what_held_runs_take(
    above: float, promises: list[str]
) -> None:
    limit = PLAN.target + 2 * PLAN.held_bytes / PLAN.quota_bytes
    assert promises == broken(journal("run-2", "run-3"), peak=limit + above)


def test_a_run_starts_once_whatever_else_is_changed_in_it() -> None:
    made = Journal()
    starts = [
        made.see(state("run-1", 1, pending=True)),
        made.see(state("run-1", 2, pending=True)),
        made.see(state("run-1", 3)),
        made.see(state("run-1", 4)),
    ]
    assert [False, False, True, False] == starts
    assert (1, 0, 1) == (made.held, made.waiting, made.most_held)
