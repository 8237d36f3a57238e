"""A trial as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from shield_common.decision import format_value
from shield_evaluator.console.trial import Effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import RenderableType

    from shield_evaluator.console.trial import SignalTrial, Trial

_STYLES: Final = {
    Effect.DENY: "bold red",
    Effect.HOLD: "yellow",
    Effect.ADMIT: "green",
    Effect.UNKNOWN: "",
}


def render_trial(trial: Trial) -> Iterator[RenderableType]:
    """Yield what to print."""
    yield _signals(trial)
    yield _tiers(trial)
    for name, signal in trial.signals.items():
        if signal.problem is not None:
            yield Text(f"signal {name}: {signal.problem}")


def _signals(trial: Trial) -> Table:
    table = Table()
    for column in ("signal", "value", "worst member", "members", "state"):
        table.add_column(column, justify="right" if column in {"value", "members"} else "left")
    for name, signal in trial.signals.items():
        table.add_row(
            Text(name),
            _value(signal.value, signal),
            Text(signal.member or ""),
            str(signal.members),
            Text(signal.state, style="" if signal.state in {"ok", "not asked"} else "bold yellow"),
        )
    return table


def _tiers(trial: Trial) -> Table:
    table = Table()
    for column in ("tier", "would", "signal", "value", "warn", "set", "reset", "by itself"):
        right = column in {"value", "warn", "set", "reset"}
        table.add_column(column, justify="right" if right else "left")
    for tier, judged in trial.tiers.items():
        first = True
        for name, threshold in judged.signals.items():
            signal = trial.signals[name]
            table.add_row(
                Text(tier if first else ""),
                Text(judged.effect.value if first else "", style=_STYLES[judged.effect]),
                Text(name),
                _value(signal.value, signal),
                *(
                    _value(bound, signal)
                    for bound in (threshold.warn, threshold.set, threshold.reset)
                ),
                Text(threshold.effect.value, style=_STYLES[threshold.effect]),
            )
            first = False
    return table


def _value(value: float | None, signal: SignalTrial) -> str:
    return "" if value is None else format_value(value, signal.unit)
