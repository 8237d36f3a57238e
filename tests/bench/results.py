"""What one run of the admitter's benchmark measured: its tables and its ratios."""

import statistics
from collections.abc import Sequence

from tests.bench.measuring import Run

MEBIBYTE = 1024 * 1024

# The runs by server and review, one per round.
Results = dict[tuple[str, str], list[Run]]


def bytes_of(review: str) -> float:
    """Return the size in a review's name, e.g. 19000 for "19 KB"."""
    number, unit = review.split()
    return float(number) * {"KB": 1e3, "MB": 1e6}[unit]


def ratio(results: Results, other: str, review: str) -> float:
    """Return the admitter's requests per CPU second as a multiple of another server's.

    It is the median over the rounds of each round's ratio, because both servers of a round ran
    beside the same other load.
    """
    pairs = zip(results["admitter", review], results[other, review], strict=True)
    return statistics.median(
        ours.per_core_second / theirs.per_core_second for ours, theirs in pairs
    )


def added_p99_ms(results: Results, review: str) -> float:
    """Return by how much the admitter's p99 exceeds nginx's, the median over the rounds."""
    pairs = zip(results["admitter", review], results["nginx", review], strict=True)
    return statistics.median(ours.p99_ms - theirs.p99_ms for ours, theirs in pairs)


def markdown(results: Results) -> str:
    """Return the medians over the rounds as a Markdown table, smallest review first."""
    rows = [
        "| review | server | requests/s | per second of CPU | p50 ms | p99 ms | RSS MiB | errors |",
        "|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for (server, review), runs in sorted(
        results.items(), key=lambda item: (bytes_of(item[0][1]), item[0][0])
    ):
        cells = [
            review,
            server,
            f"{_median(runs, 'rate'):.0f}",
            f"{_median(runs, 'per_core_second'):.0f}",
            f"{_median(runs, 'p50_ms'):.1f}",
            f"{_median(runs, 'p99_ms'):.1f}",
            f"{_median(runs, 'rss') / MEBIBYTE:.0f}",
            str(sum(run.errors for run in runs)),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _median(runs: Sequence[Run], what: str) -> float:
    return float(statistics.median(getattr(run, what) for run in runs))
