"""The tables of `shield-evaluator status`."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console
from rich.text import Text

from shield_common.decision import Decision, SignalObservation, TierDecision, TierHold
from shield_evaluator.cli.status import tables
from shield_evaluator.cli.stored import Standing, StoredStatus
from shield_evaluator.core.reservations import Reservation

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def shown(observation: SignalObservation, unit: str = "ratio") -> str:
    decision = Decision(
        cluster="rh01",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=NOW,
        allow=True,
        tiers={"standard": TierDecision(allow=True, since=NOW, warning="[bold]close[/bold]")},
        signals={"size": observation},
    )
    stored = StoredStatus(
        cluster="rh01", tier="standard", standing=Standing.ADMITTING, decision=decision
    )
    out = Console(file=io.StringIO(), width=200, markup=False)
    for part in tables(stored, {"size": unit}):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize(
    ("unit", "text"), [("ratio", " 50% "), ("number", " 0.5 "), ("alert", " 0.5 ")]
)
def test_a_value_is_shown_in_its_unit(unit: str, text: str) -> None:
    assert text in shown(SignalObservation(value=0.5, members=3, state="ok"), unit)


def test_a_signal_without_a_value_shows_its_state() -> None:
    assert "blind" in shown(SignalObservation(state="blind"))


def test_square_brackets_are_not_markup() -> None:
    assert "[bold]close[/bold]" in shown(SignalObservation(state="ok"))


def test_a_lease_that_is_not_held_asks_for_the_evaluator() -> None:
    assert "lease: not held; is an evaluator running?" in shown(SignalObservation(state="ok"))


def test_the_room_of_a_tier_is_shown_with_its_reservation() -> None:
    tier = TierDecision(allow=True, since=NOW, room=210.0)
    decision = Decision(
        cluster="rh01",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=NOW,
        allow=True,
        tiers={"standard": tier},
        signals={},
    )
    stored = StoredStatus(
        cluster="rh01",
        tier="standard",
        standing=Standing.ADMITTING,
        decision=decision,
        reservations={"standard": Reservation(1040, 3.1 * 1024**3)},
    )
    lines = [part.plain for part in tables(stored, {}) if isinstance(part, Text)]
    sentence = "standard: Room for 210 more runs; 1,040 admitted runs still to write 3.1 GiB."
    assert sentence in lines


@pytest.mark.parametrize(
    ("hold", "line"),
    [
        pytest.param(None, "admitters subscribed: 4", id="no holding"),
        pytest.param(
            TierHold(slots=9, share=3, held=0),
            "admitters subscribed: 4, the controller among them",
            id="the controller starts held runs",
        ),
        pytest.param(
            TierHold(slots=9, share=3, held=0, stalled=True),
            "admitters subscribed: 4",
            id="the controller is away",
        ),
    ],
)
def test_a_controller_that_starts_runs_is_not_taken_for_an_admitter(
    hold: TierHold | None, line: str
) -> None:
    decision = Decision(
        cluster="rh01",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=NOW,
        allow=True,
        tiers={"standard": TierDecision(allow=True, since=NOW, hold=hold)},
        signals={},
    )
    stored = StoredStatus(
        cluster="rh01",
        tier="standard",
        standing=Standing.ADMITTING,
        decision=decision,
        admitters=4,
    )
    text = "\n".join(part.plain for part in tables(stored, {}) if isinstance(part, Text))
    assert line in text.splitlines()
