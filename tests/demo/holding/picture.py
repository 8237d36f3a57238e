"""The course of `--hold` as a picture, drawn as a simulation is: etcd's usage and the runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

from shield_evaluator.drawing import FULL_COLOUR, picture
from tests.demo.holding.story import Sample
from tests.demo.plan import HoldingPlan
from tests.rig.etcd import MEBIBYTE

_HEIGHTS: Final = (3.0, 2.4)  # inches
# Distinguishable without red and green, as in the simulations.
_ETCD, _HELD, _STARTED, _FINISHED = "#0072B2", "#E69F00", "#0072B2", "#56B4E9"


def draw(path: Path, plan: HoldingPlan, samples: Sequence[Sample]) -> None:
    """Draw a picture into a PNG file.

    Args:
        path: The file.
        plan: Whose bounds are drawn.
        samples: From the beginning of the flood on, without which there is no picture.

    Raises:
        SamplesError: The file cannot be written.
    """
    begin = samples[0].at
    seconds = [sample.at - begin for sample in samples]
    quota = f"{plan.quota_bytes // MEBIBYTE} MiB"
    title = f"{plan.runs} runs on a real etcd of {quota}, with holding"
    with picture(path, title, height=sum(_HEIGHTS) + 0.7) as figure:
        usage, runs = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": _HEIGHTS})
        _usage(usage, plan, seconds, samples)
        _runs(runs, seconds, samples)
        runs.set_xlabel("seconds since the flood began")
        runs.set_xlim(0, seconds[-1])


def _usage(
    axes: Axes, plan: HoldingPlan, seconds: Sequence[float], samples: Sequence[Sample]
) -> None:
    in_use = [sample.db_in_use for sample in samples]
    promised = [sample.db_in_use + sample.reserved for sample in samples]
    axes.fill_between(
        seconds, in_use, promised, color=_ETCD, alpha=0.18, linewidth=0,
        label="reserved: started,\nnot written yet",
    )  # fmt: skip
    file = [sample.db_file for sample in samples]
    axes.plot(seconds, file, color=_ETCD, linewidth=1.8, label="size of the file")
    axes.plot(seconds, in_use, color=_ETCD, linewidth=0.9, linestyle=(0, (1, 1)), label="in use")
    axes.axhline(1.0, color=FULL_COLOUR, linewidth=1.4, label="quota")
    axes.axhline(plan.deny_from, color="#555555", linewidth=0.9, label="set")
    axes.axhline(plan.target, color=_ETCD, linewidth=0.9, linestyle=(0, (6, 2)), label="target")
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=0))
    axes.set_ylabel("etcd's quota")
    axes.set_ylim(0, 1.06)
    _finish(axes)


def _runs(axes: Axes, seconds: Sequence[float], samples: Sequence[Sample]) -> None:
    held = [sample.waiting for sample in samples]
    axes.fill_between(seconds, 0, held, color=_HELD, alpha=0.5, linewidth=0, label="held now")
    for label, colour, style, counts in (
        ("created", "#9A9A9A", "-", [sample.created for sample in samples]),
        ("released", _HELD, "-", [sample.released for sample in samples]),
        ("started", _STARTED, "-", [sample.started for sample in samples]),
        ("finished", _FINISHED, "--", [sample.finished for sample in samples]),
    ):
        axes.plot(seconds, counts, color=colour, linestyle=style, linewidth=1.8, label=label)
    axes.set_ylabel("runs")
    axes.set_ylim(bottom=0)
    _finish(axes)


def _finish(axes: Axes) -> None:
    axes.grid(axis="y", color="#E0E0E0", linewidth=0.5)
    axes.set_axisbelow(True)
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), frameon=False, fontsize=8)
