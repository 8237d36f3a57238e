"""Measured figures beside their bars, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One line of a result.

    Attributes:
        what: What was measured.
        value: In `unit`.
        bar: The limit that the project promises (docs/benchmarks.md).
        unit: Empty for a count.
        at_least: Whether `bar` is a lower limit; it is an upper limit otherwise.
    """

    what: str
    value: float
    bar: float
    unit: str
    at_least: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def show(console: Console, figures: Sequence[Figure]) -> int:
    """Print the figures; return the exit status: 1 if one misses its bar."""
    table = Table("what", "figure", "bar", "")
    for column in table.columns[1:3]:
        column.justify = "right"
    for figure in figures:
        table.add_row(
            figure.what,
            f"{figure.value:.4g} {figure.unit}".strip(),
            f"{'≥' if figure.at_least else '≤'} {figure.bar:g} {figure.unit}".strip(),
            "met" if figure.met else "missed",
        )
    console.print(table)
    return int(any(not figure.met for figure in figures))
