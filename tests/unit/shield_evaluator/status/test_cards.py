"""Room on the page: how many more runs fit, and what admitted runs are still going to write."""

from dataclasses import replace

import pytest

from shield_common.decision import TierDecision
from shield_evaluator.core.reservations import Reservation
from shield_evaluator.status.cards import Until, room_sentence, signal_cards, tier_cards
from tests.unit.shield_evaluator.page_scenes import NOON, admitting, no_room, room_left
from tests.unit.shield_evaluator.status.reading import text_of

GIBIBYTE = 1024**3


def tier(room: float | None) -> TierDecision:
    return TierDecision(allow=True, since=NOON, room=room)


@pytest.mark.parametrize(
    ("room", "reservation", "sentence"),
    [
        pytest.param(
            210.9,
            Reservation(1040, 3.1 * GIBIBYTE),
            "Room for 210 more runs; 1,040 admitted runs still to write 3.1 GiB.",
            id="room and reservation",
        ),
        pytest.param(12_345, None, "Room for 12,345 more runs.", id="reservation unknown"),
        pytest.param(3, Reservation(0, 0), "Room for 3 more runs.", id="nothing reserved"),
        pytest.param(
            1.5,
            Reservation(1, 4 * 1024**2),
            "Room for 1 more run; 1 admitted run still to write 4.0 MiB.",
            id="one run",
        ),
        pytest.param(0.99, None, "No room for another run.", id="less than one run"),
        pytest.param(None, Reservation(7, GIBIBYTE), None, id="no run cost"),
    ],
)
def test_the_room_of_a_tier_in_words(
    room: float | None, reservation: Reservation | None, sentence: str | None
) -> None:
    assert sentence == room_sentence(tier(room), reservation)


def test_a_tier_that_denies_does_not_promise_room() -> None:
    denying = TierDecision(allow=False, since=NOON, room=210.0)
    sentence = room_sentence(denying, Reservation(1040, 3.1 * GIBIBYTE))
    assert "1,040 admitted runs still to write 3.1 GiB." == sentence


def test_the_page_shows_room_and_reservation() -> None:
    assert "more runs; 312 admitted runs still to write 1.2 GiB." in text_of(room_left())


def test_a_tier_without_room_waits_for_room() -> None:
    assert Until("Until", "there is room again") == tier_cards(no_room())[0].until


def test_without_room_the_advice_is_to_wait_for_admitted_runs() -> None:
    assert "Wait for admitted runs to finish" in text_of(no_room())


def test_the_page_says_among_how_many_admitters_room_is_shared() -> None:
    assert "Room is shared by 3 admitters" in text_of(room_left())


def test_a_scale_shows_where_the_value_will_end() -> None:
    in_use = next(card for card in signal_cards(room_left()) if card.name == "db-in-use")
    # 312 runs of 4 MiB are 15.2% of 8 GiB.
    assert pytest.approx(50.2 + 15.23, abs=0.01) == in_use.scales[0].expected


def test_free_space_inside_the_file_is_used_before_the_file_grows() -> None:
    file = next(card for card in signal_cards(room_left()) if card.name == "db-file")
    assert file.scales[0].value == file.scales[0].expected


def test_without_a_run_cost_no_growth_is_expected() -> None:
    assert not any(card.expects_growth for card in signal_cards(admitting()))


def test_a_tier_that_left_the_configuration_has_no_reservation() -> None:
    snapshot = room_left()
    assert snapshot.result is not None
    plan = replace(snapshot.result.plan, tiers={"other": snapshot.result.plan.tiers["critical"]})
    assert (
        replace(snapshot, result=replace(snapshot.result, plan=plan)).reservation("standard")
        is None
    )
