"""The queue of held runs, as the status page and the status command show it."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replace_struct

from shield_common.decision import TierDecision, TierHold
from shield_common.held import HeldReport, NamespaceReport, TierReport
from shield_evaluator.status.cards import queue_sentence
from shield_evaluator.status.queue import MAX_ROWS, queue_of
from shield_evaluator.status.view import view_of
from tests.unit.shield_evaluator.page_scenes import NOON, admitting, holding
from tests.unit.shield_evaluator.status.reading import text_of


def test_the_page_shows_how_many_runs_are_held_and_where() -> None:
    shown = text_of(holding())
    assert "43 runs are held, 15 a minute start." in shown
    assert "team-orders" in shown
    assert "5m 12s" in shown
    assert "12 more runs are held elsewhere." in shown


def test_the_page_does_not_take_a_controller_that_starts_runs_for_an_admitter() -> None:
    facts = holding()
    assert facts.result is not None
    assert facts.result.decision is not None
    decision = replace_struct(facts.result.decision, admitters=4)
    shown = text_of(replace(facts, result=replace(facts.result, decision=decision)))
    assert "Room is shared by 4 admitters, the controller among them" in shown


def test_the_page_says_how_many_runs_tekton_refused_to_start() -> None:
    assert "Tekton refused to start 1 of them" in text_of(holding())


def test_the_page_has_no_queue_while_nothing_reports_one() -> None:
    assert view_of(admitting()).queue is None
    assert "Queue" not in text_of(admitting())


def test_an_empty_queue_is_told() -> None:
    queue = queue_of(HeldReport(reported_at=NOON, tiers={"standard": TierReport(held=0)}))
    assert queue is not None
    assert ("No run is held.", []) == (queue.summary, queue.rows)


def test_a_long_queue_is_cut_and_says_so() -> None:
    places = tuple(NamespaceReport(tier="standard", namespace=f"n{i}", held=2) for i in range(50))
    tiers = {"standard": TierReport(held=100)}
    queue = queue_of(HeldReport(reported_at=NOON, tiers=tiers, namespaces=places))
    assert queue is not None
    assert MAX_ROWS == len(queue.rows)
    assert f"{100 - 2 * MAX_ROWS} more runs are held elsewhere." == queue.more


@pytest.mark.parametrize(
    ("hold", "text"),
    [
        pytest.param(None, None, id="holding off"),
        pytest.param({"held": 0}, "0 runs are held, 957 more may be.", id="none"),
        pytest.param({"held": 1}, "1 run is held, 957 more may be.", id="one"),
        pytest.param(
            {"held": 43, "wait_seconds": 220},
            "43 runs are held, a new one waits about 3m 40s, 957 more may be.",
            id="with a wait",
        ),
        pytest.param({"held": 43, "slots": 0.5}, "43 runs are held, no more may be.", id="no slot"),
        pytest.param(
            {"held": 43, "full": True}, "43 runs are held, etcd is too full for more.", id="full"
        ),
    ],
)
def test_a_tier_says_how_many_of_its_runs_wait(
    hold: dict[str, float] | None, text: str | None
) -> None:
    base = TierHold(slots=957, share=319, held=0)
    entry = TierDecision(allow=False, since=NOON)
    if hold is not None:
        entry = replace_struct(entry, hold=replace_struct(base, **hold))
    assert text == queue_sentence(entry)


def test_a_controller_that_stopped_reporting_is_a_notice() -> None:
    facts = holding()
    assert facts.result is not None
    assert facts.result.decision is not None
    entry = facts.result.decision.tiers["standard"]
    assert entry.hold is not None
    stalled = replace_struct(entry, hold=replace_struct(entry.hold, stalled=True))
    decision = replace_struct(facts.result.decision, tiers={"standard": stalled})
    view = view_of(
        replace(facts, result=replace(facts.result, decision=decision, held_report=None))
    )
    assert "shield-controller has stopped reporting." in [notice.title for notice in view.notices]
