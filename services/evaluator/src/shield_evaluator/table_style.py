"""Tables for people, of every command: their form, and the texts in them.

Texts may come from others (a member's label, the reason of an override): `cell` shows control
characters and bidirectional marks instead of obeying them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from shield_common.text import format_value, printable

if TYPE_CHECKING:
    from collections.abc import Collection


def cell(text: str, style: str = "") -> Text:
    """Return a text for a table or a line."""
    return Text(printable(text), style=style)


def value_text(value: float | None, unit: str) -> str:
    """Return a signal's value, empty without one."""
    return "" if value is None else format_value(value, unit)


def new_table(*columns: str, right: Collection[str] = (), title: str | None = None) -> Table:
    """Return a table without rows.

    Args:
        columns: their titles, from left to right.
        right: the columns that are aligned to the right, as numbers are.
        title: of the table.
    """
    table = Table(title=title, title_justify="left", caption_justify="left")
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left")
    return table
