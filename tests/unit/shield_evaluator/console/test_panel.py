"""What the status table shows."""

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from shield_common.decision import Decision, SignalObservation, TierDecision
from shield_evaluator.console.glance import Glance, Standing
from shield_evaluator.console.panel import render

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def shown(reading: SignalObservation, unit: str) -> str:
    decision = Decision(
        cluster="rh01",
        epoch=1,
        sequence=1,
        ttl_ms=300_000,
        evaluated_at=NOW,
        allow=True,
        tiers={"standard": TierDecision(allow=True, since=NOW, warning="[bold]close[/bold]")},
        signals={"size": reading},
    )
    glance = Glance(cluster="rh01", tier="standard", standing=Standing.ADMITTING, decision=decision)
    out = Console(file=io.StringIO(), width=200, markup=False)
    for part in render(glance, {"size": unit}):
        out.print(part)
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


@pytest.mark.parametrize(
    ("unit", "text"), [("ratio", " 50% "), ("number", " 0.5 "), ("alert", " 0.5 ")]
)
def test_a_value_reads_in_its_unit(unit: str, text: str) -> None:
    assert text in shown(SignalObservation(value=0.5, members=3, state="ok"), unit)


def test_what_a_signal_does_not_say_stays_empty() -> None:
    assert "blind" in shown(SignalObservation(state="blind"), "ratio")


def test_words_from_elsewhere_are_not_markup() -> None:
    assert "[bold]close[/bold]" in shown(SignalObservation(state="ok"), "ratio")


def test_a_lease_that_nobody_holds_asks_for_the_evaluator() -> None:
    told = shown(SignalObservation(state="ok"), "ratio")
    assert "lease: nobody holds it; is an evaluator running?" in told
