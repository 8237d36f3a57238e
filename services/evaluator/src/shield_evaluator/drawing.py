"""What all pictures have in common: style, legend, time axis and file. Needs the extra ``plot``."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

from shield_evaluator.backtest.recording import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

FULL_COLOUR: Final = "#B00020"
WIDTH: Final = 11.0  # inches; with DPI it gives a picture as wide as a page of documentation
DPI: Final = 110
DAY_MS: Final = 86_400_000  # matplotlib counts days since 1970
_STYLE: Final[dict[Any, Any]] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.hashsalt": "etcd-shield",  # the same picture gives the same file
    "svg.fonttype": "none",
}


@contextmanager
def picture(path: Path, title: str, *, height: float) -> Iterator[Figure]:
    """Give a figure to draw in, and put it in a path's place.

    Args:
        path: a file that ends in ``.png`` or ``.svg``.
        title: above the drawing.
        height: inches.

    Raises:
        SamplesError: the file cannot be written.
    """
    form = "svg" if path.suffix.lower() == ".svg" else "png"
    with replacing(path) as temporary, mpl.rc_context(_STYLE):
        figure = Figure(figsize=(WIDTH, height), layout="constrained", dpi=DPI)
        yield figure
        figure.suptitle(title, fontsize=11)
        figure.savefig(temporary, format=form, metadata={"Date": None} if form == "svg" else None)


def add_grid_and_legend(axes: Axes) -> None:
    """Draw horizontal lines below everything, and the legend beside it."""
    axes.grid(axis="y", color="#E0E0E0", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8)


def label_days(axes: Axes) -> None:
    """Label a time axis that counts days."""
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]  # matplotlib leaves it untyped
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]  # as above
    axes.xaxis.set_major_formatter(formatter)
