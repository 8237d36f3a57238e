"""What tiers and signals show alike: tables and values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shield_common.decision import format_value
from shield_evaluator.core.plan import Unit
from shield_evaluator.status.tree import Element, element

if TYPE_CHECKING:
    from shield_common.decision import SignalObservation

NO_VALUE: Final = "-"


def table(titles: tuple[str, ...], rows: list[Element]) -> Element:
    """Return a table."""
    head = element("tr", None, *(element("th", {"scope": "col"}, title) for title in titles))
    return element("table", None, element("thead", None, head), element("tbody", None, *rows))


def value(observation: SignalObservation | None, unit: Unit) -> str:
    """Write what a signal reads."""
    if observation is None or observation.value is None:
        return NO_VALUE
    if unit is Unit.ALERT:
        return "firing" if observation.value >= 1 else "not firing"
    return format_value(observation.value, unit)
